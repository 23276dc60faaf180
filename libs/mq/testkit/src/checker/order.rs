use std::collections::BTreeMap;

use super::index::Index;
use super::verdict::Violation;
use crate::history::{Aggregate, CommittedEvent};

/// Events of one aggregate that were stored or handled in another order than they were committed.
///
/// A stream that was made anew orders by itself; events that were redriven are exempt.
pub(super) fn broken_order(index: &Index<'_>) -> Vec<Violation> {
    let mut aggregates: BTreeMap<(&str, &Aggregate), Vec<&CommittedEvent>> = BTreeMap::new();
    for event in &index.history.committed {
        if let Some(aggregate) = &event.aggregate {
            aggregates.entry((&event.context, aggregate)).or_default().push(event);
        }
    }
    let mut found = Vec::new();
    for ((_, aggregate), mut events) in aggregates {
        events.sort_unstable_by_key(|event| event.seq);
        found.extend(broken(aggregate, None, &events, |event| {
            let stored = event.stored.as_ref()?;
            i64::try_from(stored.seq).ok()
        }));
        for subscription in &index.history.subscriptions {
            let consumer = subscription.consumer.as_str();
            found.extend(broken(aggregate, Some(consumer), &events, |event| {
                let redriven = index.entry(event.id, consumer).is_some_and(|entry| entry.epoch > 0);
                let first = index.effects(event.id, consumer).iter().map(|effect| effect.order).min();
                first.filter(|_| !redriven)
            }));
        }
    }
    found
}

/// The first neighbours among `events`, which are in order, whose ranks are not.
fn broken(
    aggregate: &Aggregate,
    consumer: Option<&str>,
    events: &[&CommittedEvent],
    rank: impl Fn(&CommittedEvent) -> Option<i64>,
) -> Option<Violation> {
    let ranked: Vec<(&CommittedEvent, i64)> =
        events.iter().filter_map(|event| rank(event).map(|rank| (*event, rank))).collect();
    let wrong = ranked.windows(2).find(|pair| same_stream(pair[0].0, pair[1].0) && pair[0].1 >= pair[1].1)?;
    Some(Violation::OrderBroken {
        aggregate: aggregate.to_string(),
        consumer: consumer.map(str::to_owned),
        first: wrong[0].0.id,
        second: wrong[1].0.id,
    })
}

fn same_stream(one: &CommittedEvent, other: &CommittedEvent) -> bool {
    match (&one.stored, &other.stored) {
        (Some(one), Some(other)) => one.stream == other.stream && one.incarnation == other.incarnation,
        (Some(_), None) | (None, Some(_)) | (None, None) => false,
    }
}
