use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use crate::history::{CommittedEvent, DeadLetter, Effect, History, InboxEntry, StreamedEvent, Subscription};

/// A history by event and consumer.
pub(super) struct Index<'a> {
    pub(super) history: &'a History,
    pub(super) committed: HashMap<Uuid, &'a CommittedEvent>,
    pub(super) streamed: HashMap<Uuid, Vec<&'a StreamedEvent>>,
    /// Events by what they say has caused them.
    caused: HashMap<Uuid, Vec<&'a CommittedEvent>>,
    inbox: HashMap<(Uuid, &'a str), &'a InboxEntry>,
    effects: HashMap<(Uuid, &'a str), Vec<&'a Effect>>,
    letters: HashMap<(Uuid, &'a str), Vec<&'a DeadLetter>>,
    subscriptions: HashMap<&'a str, &'a Subscription>,
    /// Everybody who is named anywhere.
    pub(super) consumers: BTreeSet<&'a str>,
}

impl<'a> Index<'a> {
    pub(super) fn of(history: &'a History) -> Self {
        let subscriptions: HashMap<&str, &Subscription> = history
            .subscriptions
            .iter()
            .map(|subscription| (&*subscription.consumer, subscription))
            .collect();
        let caused = history.committed.iter().filter_map(|event| Some((event.causation_id?, event)));
        Self {
            history,
            committed: history.committed.iter().map(|event| (event.id, event)).collect(),
            streamed: grouped(history.streamed.iter().map(|event| (event.id, event))),
            caused: grouped(caused),
            inbox: history.inbox.iter().map(|row| ((row.id, &*row.consumer), row)).collect(),
            effects: grouped(history.effects.iter().map(|effect| ((effect.id, &*effect.consumer), effect))),
            letters: grouped(history.letters.iter().map(|letter| ((letter.id, &*letter.consumer), letter))),
            consumers: subscriptions
                .keys()
                .copied()
                .chain(history.inbox.iter().map(|row| &*row.consumer))
                .chain(history.effects.iter().map(|effect| &*effect.consumer))
                .chain(history.letters.iter().map(|letter| &*letter.consumer))
                .collect(),
            subscriptions,
        }
    }

    pub(super) fn entry<'s>(&'s self, id: Uuid, consumer: &'s str) -> Option<&'a InboxEntry> {
        self.inbox.get(&(id, consumer)).copied()
    }

    /// How many different rows the inboxes have.
    pub(super) fn recorded(&self) -> usize {
        self.inbox.len()
    }

    pub(super) fn effects<'s>(&'s self, id: Uuid, consumer: &'s str) -> &'s [&'a Effect] {
        self.effects.get(&(id, consumer)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn letters<'s>(&'s self, id: Uuid, consumer: &'s str) -> &'s [&'a DeadLetter] {
        self.letters.get(&(id, consumer)).map_or(&[], Vec::as_slice)
    }

    /// What says that this event has caused it.
    pub(super) fn caused(&self, id: Uuid) -> &[&'a CommittedEvent] {
        self.caused.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Whether the event was ever committed, or put into a stream by somebody who may.
    pub(super) fn exists(&self, id: Uuid) -> bool {
        self.committed.contains_key(&id) || (self.streamed.contains_key(&id) && self.may_be_foreign(id))
    }

    /// Whether a message of a stream may be there without an outbox row.
    pub(super) fn may_be_foreign(&self, id: Uuid) -> bool {
        self.history.foreign.as_ref().is_none_or(|foreign| foreign.contains(&id))
    }

    /// Whether that stream still holds the event.
    pub(super) fn holds(&self, stream: &str, id: Uuid) -> bool {
        self.streamed.get(&id).is_some_and(|found| found.iter().any(|event| event.place.stream == stream))
    }

    pub(super) fn subscription(&self, consumer: &str) -> Option<&'a Subscription> {
        self.subscriptions.get(consumer).copied()
    }

    /// Keys of all effects, each once, in a stable order.
    pub(super) fn effect_keys(&self) -> Vec<(Uuid, &'a str)> {
        sorted(self.effects.keys())
    }

    /// Keys of all letters, each once, in a stable order.
    pub(super) fn letter_keys(&self) -> Vec<(Uuid, &'a str)> {
        sorted(self.letters.keys())
    }
}

fn grouped<K: std::hash::Hash + Eq, V>(pairs: impl Iterator<Item = (K, V)>) -> HashMap<K, Vec<V>> {
    let mut groups: HashMap<K, Vec<V>> = HashMap::new();
    for (key, value) in pairs {
        groups.entry(key).or_default().push(value);
    }
    groups
}

fn sorted<'a: 'k, 'k>(keys: impl Iterator<Item = &'k (Uuid, &'a str)>) -> Vec<(Uuid, &'a str)> {
    let mut keys: Vec<_> = keys.copied().collect();
    keys.sort_unstable();
    keys
}
