#![allow(clippy::unwrap_used)]
use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{Change, Decision, NewVibe, Outcome, Refused, Revision, Score, Vibe, VibeId};
use crate::{Description, Title, UserId, VibeEvent};

const BORN: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn title(text: &str) -> Title {
    Title::parse(text).unwrap()
}

fn later(seconds: i64) -> OffsetDateTime {
    BORN + Duration::seconds(seconds)
}

fn created() -> Change {
    let new = NewVibe {
        vibe_id: VibeId(Uuid::from_u128(7)),
        user_id: UserId::parse("ada").unwrap(),
        title: title("Calm"),
        description: Description::parse("slow").unwrap(),
    };
    Vibe::create(new, BORN)
}

fn revision_of(event: &VibeEvent) -> Revision {
    match event {
        VibeEvent::Created { revision, .. }
        | VibeEvent::Updated { revision, .. }
        | VibeEvent::Scored { revision, .. } => *revision,
    }
}

#[test]
fn a_new_vibe_is_at_revision_one_and_undecided() {
    let Change { vibe, event } = created();
    assert_eq!((vibe.revision.number(), vibe.score, &vibe.decision), (1, None, &None));
    assert_eq!((vibe.created_at, vibe.updated_at), (BORN, BORN));
    assert!(matches!(event, VibeEvent::Created { created_at, .. } if created_at == BORN));
}

#[test]
fn an_update_changes_what_is_given_and_tells_all() {
    let slow = || Description::parse("slow").unwrap();
    let fast = || Description::parse("fast").unwrap();
    for (new_title, new_description, expected) in [
        (Some(title("Wild")), None, (title("Wild"), slow())),
        (None, Some(fast()), (title("Calm"), fast())),
        (Some(title("Wild")), Some(Description::default()), (title("Wild"), Description::default())),
    ] {
        let Change { vibe, event } =
            created().vibe.update(Revision::FIRST, new_title, new_description, later(1)).unwrap();
        assert_eq!((vibe.title.clone(), vibe.description.clone()), expected);
        assert_eq!((vibe.revision.number(), vibe.created_at, vibe.updated_at), (2, BORN, later(1)));
        let told = VibeEvent::Updated {
            vibe_id: vibe.vibe_id,
            user_id: vibe.user_id,
            title: expected.0,
            description: expected.1,
            revision: vibe.revision,
            updated_at: later(1),
        };
        assert_eq!(event, told);
    }
}

#[test]
fn an_update_of_nothing_is_refused() {
    let refused = created().vibe.update(Revision::FIRST, None, None, BORN).unwrap_err();
    assert!(matches!(refused, Refused::Empty(violation) if violation.field == "title"));
}

#[test]
fn a_score_leaves_the_decision_to_governance() {
    let mut vibe = created().vibe;
    vibe.decision = Some(Decision {
        outcome: Outcome::Review,
        reason: Some("low".to_owned()),
        case_id: None,
        decided_at: later(1),
    });
    let decision = vibe.decision.clone();
    let scored = vibe.score(Revision::FIRST, Score::parse(41).unwrap(), later(2)).unwrap();
    assert_eq!((scored.vibe.score.unwrap().number(), scored.vibe.decision), (41, decision));
}

#[test]
fn scores_and_revisions_have_bounds() {
    for good in [0, 1, 100] {
        assert_eq!(i64::from(Score::parse(good).unwrap().number()), good);
    }
    for bad in [-1, 101, 256, i64::MAX, i64::MIN] {
        assert_eq!(Score::parse(bad).unwrap_err().field, "score");
    }
    for bad in [0, -1, i64::MIN] {
        assert_eq!(Revision::parse(bad).unwrap_err().field, "expected_revision");
    }
}

#[test]
fn outcomes_have_names() {
    for outcome in [Outcome::Approved, Outcome::Review, Outcome::Rejected] {
        assert_eq!(Outcome::parse(outcome.as_str()), Some(outcome));
    }
    assert_eq!(Outcome::parse("Approved"), None);
}

#[derive(Clone, Debug)]
enum Step {
    Update(i64),
    Score(i64, i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let expected = || 1i64..6;
    let step = prop_oneof![
        expected().prop_map(Step::Update),
        (expected(), 0i64..=100).prop_map(|(expected, score)| Step::Score(expected, score)),
    ];
    prop::collection::vec(step, 0..20)
}

proptest! {
    /// Whatever is tried in whatever order: a change is made exactly when it was decided on the
    /// current revision, raises it by one, and its event tells the new one.
    #[test]
    fn revisions_rise_by_one_and_only_from_the_expected(steps in steps()) {
        let mut vibe = created().vibe;
        for step in steps {
            let before = vibe.revision;
            let (expected, tried) = match step {
                Step::Update(expected) => {
                    (expected, vibe.clone().update(Revision(expected), Some(title("x")), None, later(1)))
                }
                Step::Score(expected, score) => {
                    (expected, vibe.clone().score(Revision(expected), Score::parse(score).unwrap(), later(1)))
                }
            };
            match tried {
                Ok(change) => {
                    prop_assert_eq!(expected, before.number());
                    prop_assert_eq!(change.vibe.revision.number(), before.number() + 1);
                    prop_assert_eq!(revision_of(&change.event), change.vibe.revision);
                    vibe = change.vibe;
                }
                Err(refused) => {
                    prop_assert!(expected != before.number());
                    prop_assert_eq!(refused, Refused::Stale { expected: Revision(expected), current: before });
                }
            }
        }
    }

    #[test]
    fn any_number_is_a_score_or_refused(number in any::<i64>()) {
        prop_assert_eq!(Score::parse(number).is_ok(), (0..=100).contains(&number));
    }
}
