use std::collections::BTreeMap;

use uuid::Uuid;

use super::index::Index;
use super::violation::Violation;
use crate::history::{Aggregate, CommittedEvent, InboxEntry, InboxState, Place};

/// Events of one aggregate that were stored, recorded or handled in another order than the stage
/// before gave. Of each aggregate and stage the first breach is told; which rules hold is said at the
/// head of the checker.
pub(super) fn broken_order(index: &Index<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for ((_, aggregate), mut events) in aggregates(index) {
        // One event alone has no order.
        if events.len() < 2 {
            continue;
        }
        events.sort_unstable_by_key(|event| event.seq);
        let told = |consumer: Option<&str>, (first, second): Pair| Violation::OrderBroken {
            aggregate: aggregate.to_string(),
            consumer: consumer.map(str::to_owned),
            first,
            second,
        };
        let in_stream = broken_in_stream(index, &events);
        found.extend(in_stream.map(|pair| told(None, pair)));
        for subscription in &index.history.subscriptions {
            let consumer = subscription.consumer.as_str();
            let mut rows: Vec<Row<'_>> =
                events.iter().filter_map(|event| Some((*event, index.entry(event.id, consumer)?))).collect();
            if let Some((first, second)) = broken_in_inbox(index, &mut rows, in_stream.is_none()) {
                let (aggregate, consumer) = (aggregate.to_string(), consumer.to_owned());
                found.push(Violation::RecordedOutOfOrder { aggregate, consumer, first, second });
            } else {
                found.extend(
                    broken_in_effects(index, &mut rows, consumer).map(|pair| told(Some(consumer), pair)),
                );
            }
        }
    }
    found
}

/// What came first by right, and what came before it.
type Pair = (Uuid, Uuid);
type Row<'a> = (&'a CommittedEvent, &'a InboxEntry);

fn aggregates<'a>(index: &Index<'a>) -> BTreeMap<(&'a str, &'a Aggregate), Vec<&'a CommittedEvent>> {
    let mut aggregates: BTreeMap<(&str, &Aggregate), Vec<&CommittedEvent>> = BTreeMap::new();
    for event in &index.history.committed {
        if let Some(aggregate) = &event.aggregate {
            aggregates.entry((&event.context, aggregate)).or_default().push(event);
        }
    }
    aggregates
}

/// By the order of the outbox: where the rows say that they were stored.
fn broken_in_stream(index: &Index<'_>, events: &[&CommittedEvent]) -> Option<Pair> {
    first_broken(events.iter().filter_map(|event| {
        let stored = event.stored.as_ref()?;
        let standing = match repair(index, event.id) {
            Some(repair) => Standing::Again(repair),
            None => Standing::Strict,
        };
        Some(Step::at(event.id, stored, i128::from(stored.seq), standing))
    }))
}

/// Where an inbox read its rows, by the order of the outbox if the stream itself kept to that; then
/// the order of recording, by where they were read.
fn broken_in_inbox(index: &Index<'_>, rows: &mut [Row<'_>], stream_is_right: bool) -> Option<Pair> {
    let read = rows.iter().filter(|_| stream_is_right).map(|(event, entry)| {
        let standing = match repair(index, event.id) {
            Some(repair) if event.stored.as_ref() == Some(&entry.place) => Standing::Again(repair),
            // Read before its last replay; whether from an earlier one is not known any more.
            Some(_) => Standing::Late,
            None => Standing::Strict,
        };
        Step::at(event.id, &entry.place, i128::from(entry.place.seq), standing)
    });
    first_broken(read).or_else(|| {
        rows.sort_by_key(|(_, entry)| (entry.place.incarnation, entry.place.seq));
        first_broken(
            rows.iter().map(|(event, entry)| {
                Step::at(event.id, &entry.place, i128::from(entry.pos), Standing::Strict)
            }),
        )
    })
}

/// By the order of recording: the first effect for each row.
fn broken_in_effects(index: &Index<'_>, rows: &mut [Row<'_>], consumer: &str) -> Option<Pair> {
    rows.sort_by_key(|(_, entry)| entry.pos);
    first_broken(rows.iter().filter_map(|(event, entry)| {
        let first = index.effects(event.id, consumer).iter().map(|effect| effect.order).min()?;
        let died = match entry.state {
            // A dead one's effect is a zombie's; its aggregate went on meanwhile.
            InboxState::Dying | InboxState::Dead => true,
            InboxState::Ready
            | InboxState::Running
            | InboxState::Waiting
            | InboxState::Behind
            | InboxState::Processed => entry.epoch > 0,
        };
        let standing = if died { Standing::Late } else { Standing::Strict };
        Some(Step { id: event.id, of: None, rank: i128::from(first), standing })
    }))
}

/// The repair that published an event again last.
fn repair(index: &Index<'_>, id: Uuid) -> Option<u32> {
    let replayed = index.history.replayed.contains(&id);
    replayed.then(|| index.history.repairs.get(&id).copied().unwrap_or(1))
}

/// One event in the order that it should have.
struct Step<'a> {
    id: Uuid,
    /// Only ranks within one incarnation of a stream compare; `None`: all do.
    of: Option<&'a Place>,
    /// The place that it really has.
    rank: i128,
    standing: Standing,
}

/// Who may come after an event, although it should be behind.
#[derive(Clone, Copy)]
enum Standing {
    /// Nobody.
    Strict,
    /// Everybody: it may be late.
    Late,
    /// Everybody but what came again by the same repair, or a later one.
    Again(u32),
}

impl<'a> Step<'a> {
    fn at(id: Uuid, place: &'a Place, rank: i128, standing: Standing) -> Self {
        Self { id, of: Some(place), rank, standing }
    }
}

/// The farthest ranks so far, within one incarnation.
#[derive(Default)]
struct Front {
    strict: Option<(i128, Uuid)>,
    again: BTreeMap<u32, (i128, Uuid)>,
}

impl Front {
    /// What the step should have followed, and did not.
    fn passed_by(&self, step: &Step<'_>) -> Option<Uuid> {
        let repaired = match step.standing {
            Standing::Again(repair) => self.again.range(..=repair).map(|(_, farthest)| *farthest).max(),
            Standing::Strict | Standing::Late => None,
        };
        let farthest = self.strict.max(repaired)?;
        (farthest.0 >= step.rank).then_some(farthest.1)
    }

    fn take(&mut self, step: &Step<'_>) {
        let own = (step.rank, step.id);
        match step.standing {
            Standing::Strict => self.strict = self.strict.max(Some(own)),
            Standing::Again(repair) => {
                let farthest = self.again.entry(repair).or_insert(own);
                *farthest = own.max(*farthest);
            }
            Standing::Late => {}
        }
    }
}

/// The first event, of those in their right order, that has passed an earlier one without being allowed to.
fn first_broken<'a>(steps: impl Iterator<Item = Step<'a>>) -> Option<Pair> {
    // There are few incarnations.
    let mut fronts: Vec<(Option<&Place>, Front)> = Vec::new();
    for step in steps {
        let at = fronts.iter().position(|(of, _)| same_incarnation(*of, step.of)).unwrap_or_else(|| {
            fronts.push((step.of, Front::default()));
            fronts.len() - 1
        });
        let front = &mut fronts[at].1;
        if let Some(first) = front.passed_by(&step) {
            return Some((first, step.id));
        }
        front.take(&step);
    }
    None
}

fn same_incarnation(one: Option<&Place>, other: Option<&Place>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.stream == other.stream && one.incarnation == other.incarnation,
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}
