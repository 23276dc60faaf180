use std::collections::{BTreeMap, BTreeSet, HashSet};

use uuid::Uuid;

use super::index::Index;
use super::violation::Violation;
use crate::history::{CommittedEvent, InboxState, OutboxState, Subscription};

/// Events that were committed or stored and came to no end that a person could see.
pub(super) fn lost(index: &Index<'_>) -> Vec<Violation> {
    let mut found: Vec<Violation> =
        index.history.committed.iter().filter_map(|e| unpublished(index, e)).collect();
    for subscription in &index.history.subscriptions {
        for id in due(index, subscription) {
            found.extend(unfinished(index, id, subscription).map(|why| Violation::Lost {
                id,
                consumer: Some(subscription.consumer.clone()),
                why,
            }));
        }
    }
    found
}

fn unpublished(index: &Index<'_>, event: &CommittedEvent) -> Option<Violation> {
    let lost = |why: &str| Some(Violation::Lost { id: event.id, consumer: None, why: why.to_owned() });
    match event.state {
        // Seen by the operator, or not due yet.
        OutboxState::Scheduled | OutboxState::Parked | OutboxState::Held => None,
        OutboxState::Ready if index.streamed.contains_key(&event.id) => {
            lost("it was never marked published, although a stream has it")
        }
        OutboxState::Ready => lost("it was never published"),
        OutboxState::Published if index.streamed.contains_key(&event.id) => None,
        // Whoever takes it answers for it.
        OutboxState::Published if is_taken(index, event) || received(index, event.id) => None,
        OutboxState::Published => lost("it is marked published, but is in no stream and no inbox"),
    }
}

fn is_taken(index: &Index<'_>, event: &CommittedEvent) -> bool {
    let Some(stored) = &event.stored else { return false };
    let mut subscriptions = index.history.subscriptions.iter();
    subscriptions.any(|taker| taker.stream == stored.stream && taker.takes(&event.subject))
}

fn received(index: &Index<'_>, id: Uuid) -> bool {
    index.consumers.iter().any(|consumer| index.entry(id, consumer).is_some())
}

/// What a consumer was to receive: everything published to its stream that its filter takes.
fn due(index: &Index<'_>, subscription: &Subscription) -> Vec<Uuid> {
    let mut seen = HashSet::new();
    let published = index.history.committed.iter().filter_map(|event| {
        let stored = event.stored.as_ref().filter(|_| event.state == OutboxState::Published)?;
        (stored.stream == subscription.stream).then_some((event.id, &event.subject))
    });
    let streamed = index
        .history
        .streamed
        .iter()
        .filter(|event| event.place.stream == subscription.stream)
        .map(|event| (event.id, &event.subject));
    published
        .chain(streamed)
        .filter(|(id, subject)| subscription.takes(subject) && seen.insert(*id))
        .map(|(id, _)| id)
        .collect()
}

/// Why a consumer has not finished with an event; `None` when it has.
fn unfinished(index: &Index<'_>, id: Uuid, subscription: &Subscription) -> Option<String> {
    let Some(entry) = index.entry(id, &subscription.consumer) else {
        let why = "it was published and never recorded in the inbox";
        return Some(if index.holds(&subscription.stream, id) {
            why.to_owned()
        } else {
            format!("{why}, and {} no longer holds it", subscription.stream)
        });
    };
    match entry.state {
        InboxState::Processed | InboxState::Dead => None,
        InboxState::Ready
        | InboxState::Running
        | InboxState::Waiting
        | InboxState::Behind
        | InboxState::Dying => Some(format!("it is still {:?} in the inbox", entry.state).to_lowercase()),
    }
}

/// Messages of a stream that no outbox committed, where it is known who else may publish.
pub(super) fn uncommitted(index: &Index<'_>) -> Vec<Violation> {
    let stray = index.history.streamed.iter().filter(|event| !index.exists(event.id));
    let strays: BTreeSet<(Uuid, &str)> = stray.map(|event| (event.id, event.place.stream.as_str())).collect();
    strays
        .into_iter()
        .map(|(id, stream)| Violation::StoredWithoutCommit { id, stream: stream.to_owned() })
        .collect()
}

/// Rows that a unique key should have kept apart. Several messages of one event in a stream are no
/// breach: beyond the duplicate window the inbox drops the copy.
pub(super) fn counted_twice(index: &Index<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    if index.committed.len() < index.history.committed.len() {
        for (id, times) in repeated(index.history.committed.iter().map(|event| event.id)) {
            found.push(Violation::CommittedTwice { id, times });
        }
    }
    if index.recorded() < index.history.inbox.len() {
        for ((id, consumer), times) in repeated(index.history.inbox.iter().map(|row| (row.id, &row.consumer)))
        {
            found.push(Violation::RecordedTwice { id, consumer: consumer.clone(), times });
        }
    }
    found
}

fn repeated<K: Ord>(keys: impl Iterator<Item = K>) -> impl Iterator<Item = (K, usize)> {
    let mut times = BTreeMap::new();
    for key in keys {
        *times.entry(key).or_insert(0) += 1;
    }
    times.into_iter().filter(|(_, times)| *times > 1)
}
