use std::collections::HashSet;

use uuid::Uuid;

use super::index::Index;
use super::verdict::Violation;
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
        OutboxState::Ready => lost("it was never published"),
        OutboxState::Published if index.streamed.contains_key(&event.id) || received(index, event.id) => None,
        OutboxState::Published => lost("it is marked published, but is in no stream and no inbox"),
    }
}

fn received(index: &Index<'_>, id: Uuid) -> bool {
    let consumers = index.history.subscriptions.iter().map(|s| s.consumer.as_str());
    consumers.into_iter().any(|consumer| index.entry(id, consumer).is_some())
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
        return Some("it was published and never recorded in the inbox".to_owned());
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

/// Events whose cause is unknown, or belongs to another chain.
pub(super) fn broken_causation(index: &Index<'_>) -> Vec<Violation> {
    let broken = |event: &CommittedEvent| {
        let cause = event.causation_id?;
        let why = match index.committed.get(&cause) {
            Some(known) if known.correlation_id == event.correlation_id => return None,
            Some(known) => format!(
                "its correlation id is {}, that of its cause is {}",
                event.correlation_id, known.correlation_id
            ),
            None if index.streamed.contains_key(&cause) => return None,
            None => "its cause was never committed".to_owned(),
        };
        Some(Violation::CausationBroken { id: event.id, cause, why })
    };
    index.history.committed.iter().filter_map(broken).collect()
}
