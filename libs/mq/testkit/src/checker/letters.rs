use std::collections::HashSet;

use super::index::Index;
use super::verdict::Violation;
use crate::history::{DeadLetter, InboxEntry, InboxState};

/// Dead rows without a letter, and letters without a dead row.
pub(super) fn broken_letters(index: &Index<'_>) -> Vec<Violation> {
    let mut found: Vec<Violation> =
        index.history.inbox.iter().filter_map(|entry| without_letter(index, entry)).collect();
    for (id, consumer) in index.letter_keys() {
        let named = consumer.to_owned();
        let mut epochs = HashSet::new();
        for letter in index.letters(id, consumer) {
            if !epochs.insert(letter.epoch) {
                found.push(Violation::LetterTwice { id, consumer: named.clone(), epoch: letter.epoch });
            }
        }
        let orphan = |letter: &&&DeadLetter| !is_backed(index.entry(id, consumer), letter.epoch);
        if let Some(letter) = index.letters(id, consumer).iter().find(orphan) {
            let epoch = letter.epoch;
            found.push(Violation::LetterWithoutDeadRow { id, consumer: named, epoch });
        }
    }
    found
}

fn without_letter(index: &Index<'_>, entry: &InboxEntry) -> Option<Violation> {
    if entry.state != InboxState::Dead {
        return None;
    }
    let letters = index.letters(entry.id, &entry.consumer);
    let written = letters.iter().any(|letter| letter.epoch == entry.epoch);
    (!written).then(|| Violation::DeadLetterMissing {
        id: entry.id,
        consumer: entry.consumer.clone(),
        epoch: entry.epoch,
    })
}

/// A letter of an epoch belongs to a row that is dead (or dying) in it, or was redriven since.
fn is_backed(entry: Option<&InboxEntry>, epoch: i32) -> bool {
    entry.is_some_and(|entry| match entry.state {
        InboxState::Dead | InboxState::Dying => epoch <= entry.epoch,
        InboxState::Ready
        | InboxState::Running
        | InboxState::Waiting
        | InboxState::Behind
        | InboxState::Processed => epoch < entry.epoch,
    })
}
