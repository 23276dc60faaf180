//! What became of every event.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sea_mq_testkit::{
    History, InboxState, OutboxState, Promise as Broken, Reading, Totals, Violation, check,
};
use tokio::time::Instant;
use uuid::Uuid;

use crate::ChaosError;
use crate::ground::Ground;
use crate::load::Ledger;
use crate::report::{Promise, RunTotals, ViolationRecord};

/// Workers renew their gauges this often at the latest, with something to spare.
const GAUGES_LIMIT: Duration = Duration::from_secs(40);
const GAUGES_EVERY: Duration = Duration::from_secs(2);
/// The only events that a handler refuses for good.
const POISON: &str = ".event.poisoned.";
/// Events whose handler emits one of its own.
const ASKED: &str = ".event.asked.";

/// The history of a run, and what was found in it.
pub(crate) struct Judged {
    pub(crate) history: History,
    pub(crate) violations: Vec<ViolationRecord>,
    pub(crate) totals: RunTotals,
}

/// `replayed` are the events of each repair, in the order of repairs.
pub(crate) async fn judge(
    ground: &Ground,
    ledger: &Ledger,
    replayed: Vec<BTreeSet<Uuid>>,
) -> Result<Judged, ChaosError> {
    let mut history = ground.world.history().await?;
    history.repairs = repairs(&replayed);
    history.replayed = replayed.into_iter().flatten().collect();
    history.foreign = Some(BTreeSet::new());
    history.expects_caused = history
        .committed
        .iter()
        .filter(|event| event.subject.contains(ASKED))
        .map(|event| event.id)
        .collect();
    let deadline = Instant::now() + GAUGES_LIMIT;
    let verdict = loop {
        history.readings = readings(ground).await;
        let verdict = check(&history);
        // A gauge may still be about to be renewed; nothing else will become better.
        let only_gauges =
            verdict.violations.iter().all(|found| matches!(found, Violation::MetricWrong { .. }));
        if verdict.is_clean() || !only_gauges || Instant::now() >= deadline {
            break verdict;
        }
        tokio::time::sleep(GAUGES_EVERY).await;
    };
    let mut violations: Vec<ViolationRecord> =
        verdict.told().map(|(found, story)| record(found, story)).collect();
    violations.extend(forgotten(&history, &ledger.acknowledged()));
    violations.extend(given_up(&history));
    violations.extend(unpublished(&history));
    Ok(Judged { violations, totals: totals(&verdict.totals), history })
}

/// The number of the last repair of each event.
fn repairs(replayed: &[BTreeSet<Uuid>]) -> BTreeMap<Uuid, u32> {
    let numbered = (1..).zip(replayed);
    numbered.flat_map(|(number, events)| events.iter().map(move |event| (*event, number))).collect()
}

async fn readings(ground: &Ground) -> Vec<Reading> {
    let mut readings = Vec::new();
    for worker in &ground.workers {
        readings.extend(Reading::of_page(worker.context(), worker.name(), &worker.metrics().await));
    }
    readings
}

/// A part of the system that did not come back, or went without being asked to.
pub(crate) fn unwell(what: String) -> ViolationRecord {
    of_no_event("unwell", what)
}

/// A stream that was tampered with, and nobody who consumes it has said so.
pub(crate) fn unnoticed(what: String) -> ViolationRecord {
    of_no_event("not noticed", what)
}

/// A fault that the system was not done with in time, although nothing else happened.
pub(crate) fn slow_recovery(what: String) -> ViolationRecord {
    of_no_event("slow recovery", what)
}

fn of_no_event(kind: &str, text: String) -> ViolationRecord {
    ViolationRecord {
        promise: Promise::Other,
        kind: kind.to_owned(),
        event: None,
        text,
        story: String::new(),
    }
}

/// Commits that were answered, of which the database knows nothing.
fn forgotten(history: &History, acknowledged: &[(&'static str, Uuid)]) -> Vec<ViolationRecord> {
    let kept: BTreeSet<Uuid> = history.committed.iter().map(|event| event.id).collect();
    let missing = acknowledged.iter().filter(|(_, id)| !kept.contains(id));
    missing
        .map(|(context, id)| ViolationRecord {
            promise: Promise::Lost,
            kind: "commit forgotten".to_owned(),
            event: Some(*id),
            text: format!("{context} was told that {id} is committed, and its outbox does not hold it"),
            story: String::new(),
        })
        .collect()
}

/// Nothing of the load is refused by the broker, and all of it has long been due.
fn unpublished(history: &History) -> Vec<ViolationRecord> {
    let left = history.committed.iter().filter(|event| event.state != OutboxState::Published);
    left.map(|event| ViolationRecord {
        promise: Promise::Lost,
        kind: "not published".to_owned(),
        event: Some(event.id),
        text: format!("{} ({}) is {:?} in the end", event.id, event.subject, event.state),
        story: String::new(),
    })
    .collect()
}

/// Events that no handler refused, and that ended as a dead letter.
fn given_up(history: &History) -> Vec<ViolationRecord> {
    let subjects: BTreeMap<Uuid, &str> =
        history.committed.iter().map(|event| (event.id, event.subject.as_str())).collect();
    let is_poison = |id: &Uuid| subjects.get(id).is_some_and(|subject| subject.contains(POISON));
    let dead = history.inbox.iter().filter(|entry| entry.state == InboxState::Dead && !is_poison(&entry.id));
    dead.map(|entry| ViolationRecord {
        promise: Promise::Other,
        kind: "given up".to_owned(),
        event: Some(entry.id),
        text: format!(
            "{} was dead-lettered by {} after {} attempts although its handler does not refuse it",
            entry.id, entry.consumer, entry.attempts
        ),
        story: format!("reason {:?}, last error {:?}", entry.dead_reason, entry.last_error),
    })
    .collect()
}

fn record(found: &Violation, story: &str) -> ViolationRecord {
    let promise = match found.promise() {
        Broken::NothingLost => Promise::Lost,
        Broken::NothingTwice => Promise::Doubled,
        Broken::InOrder => Promise::OutOfOrder,
        Broken::Accounted => Promise::Other,
    };
    let event = Some(found.event()).filter(|event| !event.is_nil());
    ViolationRecord {
        promise,
        kind: found.kind().to_owned(),
        event,
        text: found.to_string(),
        story: story.to_owned(),
    }
}

fn totals(counted: &Totals) -> RunTotals {
    let count = |rows: usize| rows as u64;
    RunTotals {
        committed: count(counted.committed),
        published: count(counted.published),
        parked: count(counted.parked),
        streamed: count(counted.streamed),
        recorded: count(counted.recorded),
        processed: count(counted.processed),
        dead: count(counted.dead),
        effects: count(counted.effects),
        letters: count(counted.letters),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use sea_mq_testkit::{CommittedEvent, History, InboxEntry, InboxState, OutboxState, Place, Violation};
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::{forgotten, given_up, record, repairs, unpublished};
    use crate::report::Promise;

    fn event(n: u128, name: &str) -> CommittedEvent {
        CommittedEvent {
            id: Uuid::from_u128(n),
            context: "sea".to_owned(),
            subject: format!("sea.event.{name}.v1"),
            aggregate: None,
            seq: 1,
            correlation_id: Uuid::from_u128(n),
            causation_id: None,
            recorded_at: OffsetDateTime::UNIX_EPOCH,
            state: OutboxState::Published,
            stored: None,
        }
    }

    fn entry(n: u128, state: InboxState) -> InboxEntry {
        let place =
            Place { stream: "SEA_EVENTS".to_owned(), incarnation: OffsetDateTime::UNIX_EPOCH, seq: 1 };
        InboxEntry {
            consumer: "vibespro__from_sea".to_owned(),
            id: Uuid::from_u128(n),
            place,
            state,
            attempts: 20,
            fence: 20,
            epoch: 0,
            dead_reason: Some("max_deliver".to_owned()),
            last_error: Some("handler answered 503".to_owned()),
            pos: 1,
        }
    }

    #[test]
    fn a_commit_that_was_answered_and_is_not_there_is_lost() {
        let history = History { committed: vec![event(1, "updated")], ..History::default() };
        let told = [("sea", Uuid::from_u128(1)), ("sea", Uuid::from_u128(2))];
        let found = forgotten(&history, &told);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].promise, found[0].event), (Promise::Lost, Some(Uuid::from_u128(2))));
    }

    #[test]
    fn only_poison_may_be_given_up() {
        let history = History {
            committed: vec![event(1, "poisoned"), event(2, "updated"), event(3, "updated")],
            inbox: vec![
                entry(1, InboxState::Dead),
                entry(2, InboxState::Dead),
                entry(3, InboxState::Processed),
            ],
            ..History::default()
        };
        let found = given_up(&history);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].event, Some(Uuid::from_u128(2)));
        assert!(found[0].story.contains("503"), "{}", found[0].story);
    }

    #[test]
    fn what_is_not_published_in_the_end_is_told() {
        let overdue = CommittedEvent { state: OutboxState::Scheduled, ..event(2, "planned") };
        let history = History { committed: vec![event(1, "updated"), overdue], ..History::default() };
        let found = unpublished(&history);
        assert_eq!(found.iter().map(|it| it.event).collect::<Vec<_>>(), [Some(Uuid::from_u128(2))]);
    }

    #[test]
    fn an_event_belongs_to_its_last_repair() {
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let numbers = repairs(&[BTreeSet::from([one, two]), BTreeSet::from([two])]);
        assert_eq!((numbers[&one], numbers[&two]), (1, 2));
    }

    #[test]
    fn what_the_checker_finds_is_told_with_its_promise() {
        let id = Uuid::from_u128(7);
        let twice = Violation::EffectTwice { id, consumer: "c".to_owned(), times: 2 };
        let told = record(&twice, "the story");
        assert_eq!(
            (told.promise, told.event, told.story.as_str()),
            (Promise::Doubled, Some(id), "the story")
        );
        let gauge = Violation::MetricWrong {
            context: "sea".to_owned(),
            instance: "worker-sea-1".to_owned(),
            metric: "outbox_unpublished_count".to_owned(),
            consumer: None,
            shown: "3".to_owned(),
            counted: 0,
        };
        assert_eq!(record(&gauge, "").event, None);
    }
}
