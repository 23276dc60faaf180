use std::collections::HashMap;

use uuid::Uuid;

use crate::history::{CommittedEvent, DeadLetter, Effect, History, InboxEntry, StreamedEvent, Subscription};

/// A history by event and consumer.
pub(super) struct Index<'a> {
    pub(super) history: &'a History,
    pub(super) committed: HashMap<Uuid, &'a CommittedEvent>,
    pub(super) streamed: HashMap<Uuid, Vec<&'a StreamedEvent>>,
    inbox: HashMap<(Uuid, &'a str), &'a InboxEntry>,
    effects: HashMap<(Uuid, &'a str), Vec<&'a Effect>>,
    letters: HashMap<(Uuid, &'a str), Vec<&'a DeadLetter>>,
}

impl<'a> Index<'a> {
    pub(super) fn of(history: &'a History) -> Self {
        let mut index = Self {
            history,
            committed: history.committed.iter().map(|event| (event.id, event)).collect(),
            streamed: HashMap::new(),
            inbox: history.inbox.iter().map(|row| ((row.id, &*row.consumer), row)).collect(),
            effects: HashMap::new(),
            letters: HashMap::new(),
        };
        for event in &history.streamed {
            index.streamed.entry(event.id).or_default().push(event);
        }
        for effect in &history.effects {
            index.effects.entry((effect.id, &effect.consumer)).or_default().push(effect);
        }
        for letter in &history.letters {
            index.letters.entry((letter.id, &letter.consumer)).or_default().push(letter);
        }
        index
    }

    pub(super) fn entry<'s>(&'s self, id: Uuid, consumer: &'s str) -> Option<&'a InboxEntry> {
        self.inbox.get(&(id, consumer)).copied()
    }

    pub(super) fn effects<'s>(&'s self, id: Uuid, consumer: &'s str) -> &'s [&'a Effect] {
        self.effects.get(&(id, consumer)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn letters<'s>(&'s self, id: Uuid, consumer: &'s str) -> &'s [&'a DeadLetter] {
        self.letters.get(&(id, consumer)).map_or(&[], Vec::as_slice)
    }

    /// Whether the event was ever committed or put into a stream.
    pub(super) fn exists(&self, id: Uuid) -> bool {
        self.committed.contains_key(&id) || self.streamed.contains_key(&id)
    }

    pub(super) fn subscription(&self, consumer: &str) -> Option<&'a Subscription> {
        self.history.subscriptions.iter().find(|subscription| subscription.consumer == consumer)
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

fn sorted<'a: 'k, 'k>(keys: impl Iterator<Item = &'k (Uuid, &'a str)>) -> Vec<(Uuid, &'a str)> {
    let mut keys: Vec<_> = keys.copied().collect();
    keys.sort_unstable();
    keys
}
