use std::collections::HashMap;

use sqlx::PgPool;
use uuid::Uuid;

/// What both applications kept in their own tables, counted there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    /// Vibes that VibesPro keeps.
    pub(crate) vibes: i64,
    /// Those of them that SEA sees with the same title, at the same revision.
    pub(crate) seen: i64,
    /// Those of them with a review case at SEA.
    pub(crate) with_case: i64,
    /// Scores that SEA has processed.
    pub(crate) scores: i64,
    /// Decisions that SEA has recorded.
    pub(crate) decisions: i64,
    /// Events that SEA emitted more than once for the same cause.
    pub(crate) doubled: i64,
    /// Decisions on a vibe that were made after one on a later revision.
    pub(crate) out_of_order: i64,
    /// Vibes that SEA has decided about.
    pub(crate) decided: i64,
    /// Those of them that show SEA's newest decision.
    pub(crate) shown: i64,
}

type Vibe = (Uuid, String, i64, Option<String>, Option<i64>);
type Decision = (Uuid, i64, String);

impl Effects {
    /// Reads both databases; nothing moves any more.
    pub(crate) async fn read(vibespro: &PgPool, sea: &PgPool) -> anyhow::Result<Self> {
        let vibes: Vec<Vibe> =
            sqlx::query_as("SELECT vibe_id, title, revision, decision_outcome, decision_revision FROM vibes")
                .fetch_all(vibespro)
                .await?;
        let views: Vec<(Uuid, String, i64)> =
            sqlx::query_as("SELECT vibe_id, title, revision FROM vibe_views").fetch_all(sea).await?;
        let views: HashMap<Uuid, (String, i64)> =
            views.into_iter().map(|(vibe, title, revision)| (vibe, (title, revision))).collect();
        let cases: Vec<(String,)> =
            sqlx::query_as("SELECT DISTINCT vibe_id FROM cases WHERE vibe_id IS NOT NULL")
                .fetch_all(sea)
                .await?;
        let newest: Vec<Decision> = sqlx::query_as(
            "SELECT DISTINCT ON (vibe_id) vibe_id, vibe_revision, outcome
             FROM governance_decisions ORDER BY vibe_id, vibe_revision DESC",
        )
        .fetch_all(sea)
        .await?;
        let newest: HashMap<Uuid, (i64, String)> =
            newest.into_iter().map(|(vibe, revision, outcome)| (vibe, (revision, outcome))).collect();
        let (scores, decisions, doubled, out_of_order) = counts(sea).await?;
        let count = |holds: &dyn Fn(&Vibe) -> bool| vibes.iter().filter(|vibe| holds(vibe)).count() as i64;
        Ok(Self {
            vibes: count(&|_| true),
            seen: count(&|(id, title, revision, ..)| views.get(id) == Some(&(title.clone(), *revision))),
            with_case: count(&|(id, ..)| cases.iter().any(|(vibe,)| *vibe == id.to_string())),
            scores,
            decisions,
            doubled,
            out_of_order,
            decided: count(&|(id, ..)| newest.contains_key(id)),
            shown: count(&|vibe| shows(vibe, &newest)),
        })
    }

    /// What is wrong; empty when every promise was kept.
    pub(crate) fn broken(&self) -> Vec<String> {
        let equal = [
            ("vibes", self.vibes, "seen by sea as they are", self.seen),
            ("vibes", self.vibes, "with a review case", self.with_case),
            ("scores processed", self.scores, "decisions", self.decisions),
            ("events emitted twice for one cause", self.doubled, "none", 0),
            ("decisions out of order", self.out_of_order, "none", 0),
            ("vibes decided about", self.decided, "showing the newest decision", self.shown),
        ];
        let unequal = equal.into_iter().filter(|(_, left, _, right)| left != right);
        unequal.map(|(what, left, other, right)| format!("{what}: {left}, {other}: {right}")).collect()
    }

    /// The lines of the summary.
    pub(crate) fn table(&self) -> Vec<String> {
        [
            ("vibes that vibespro keeps", self.vibes),
            ("  seen by sea with this title and revision", self.seen),
            ("  with a review case at sea", self.with_case),
            ("scores that sea has processed", self.scores),
            ("decisions that sea has recorded", self.decisions),
            ("  announced twice", self.doubled),
            ("  made out of order", self.out_of_order),
            ("vibes that sea has decided about", self.decided),
            ("  showing the newest decision", self.shown),
        ]
        .map(|(label, count)| format!("{label:46}{count:>6}"))
        .into()
    }
}

fn shows(vibe: &Vibe, newest: &HashMap<Uuid, (i64, String)>) -> bool {
    let (id, _, _, outcome, revision) = vibe;
    newest.get(id).is_some_and(|(of, decided)| *revision == Some(*of) && outcome.as_ref() == Some(decided))
}

/// Scores processed, decisions, events emitted twice for one cause, decisions out of order.
async fn counts(sea: &PgPool) -> Result<(i64, i64, i64, i64), sqlx::Error> {
    sqlx::query_as(
        "SELECT
           (SELECT count(*) FROM inbox_messages
            WHERE state = 'processed' AND subject = 'vibespro.event.vibe_scored.v1'),
           (SELECT count(*) FROM governance_decisions),
           (SELECT count(*) - count(DISTINCT (causation_id, subject, payload ->> 'task_id')) FROM outbox_events
            WHERE causation_id IS NOT NULL),
           (SELECT count(*) FILTER (WHERE vibe_revision < before) FROM
             (SELECT vibe_revision, max(vibe_revision) OVER
                (PARTITION BY vibe_id ORDER BY decided_at ROWS UNBOUNDED PRECEDING) AS before
              FROM governance_decisions) made)",
    )
    .fetch_one(sea)
    .await
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use uuid::Uuid;

    use super::{Effects, shows};

    const GOOD: Effects = Effects {
        vibes: 9,
        seen: 9,
        with_case: 9,
        scores: 7,
        decisions: 7,
        doubled: 0,
        out_of_order: 0,
        decided: 5,
        shown: 5,
    };

    #[test]
    fn every_broken_promise_is_told() {
        assert_eq!(GOOD.broken(), Vec::<String>::new());
        for (bad, told) in [
            (Effects { seen: 8, ..GOOD }, "seen by sea as they are: 8"),
            (Effects { with_case: 8, ..GOOD }, "with a review case: 8"),
            (Effects { decisions: 8, ..GOOD }, "decisions: 8"),
            (Effects { doubled: 1, ..GOOD }, "twice for one cause: 1"),
            (Effects { out_of_order: 1, ..GOOD }, "out of order: 1"),
            (Effects { shown: 4, ..GOOD }, "newest decision: 4"),
        ] {
            let broken = bad.broken();
            assert_eq!(broken.len(), 1, "{broken:?}");
            assert!(broken[0].contains(told), "{broken:?}");
        }
    }

    #[test]
    fn only_the_newest_decision_counts_as_shown() {
        let id = Uuid::from_u128(7);
        let newest = HashMap::from([(id, (4, "approved".to_owned()))]);
        let vibe = |outcome: &str, revision| (id, String::new(), 5, Some(outcome.to_owned()), Some(revision));
        assert!(shows(&vibe("approved", 4), &newest));
        assert!(!shows(&vibe("approved", 3), &newest));
        assert!(!shows(&vibe("rejected", 4), &newest));
        assert!(!shows(&(Uuid::nil(), String::new(), 1, None, None), &newest));
    }
}
