use std::collections::BTreeSet;

use uuid::Uuid;

use super::index::Index;
use super::violation::Violation;
use crate::history::{DeadLetter, InboxEntry, InboxState};

/// Deaths without a letter, letters without a death, and letters that give another reason.
pub(super) fn broken_letters(index: &Index<'_>) -> Vec<Violation> {
    let mut found: Vec<Violation> =
        index.history.inbox.iter().flat_map(|entry| wrong_deaths(index, entry)).collect();
    for (id, consumer) in index.letter_keys() {
        found.extend(wrong_letters(index, id, consumer));
    }
    found
}

fn wrong_letters(index: &Index<'_>, id: Uuid, consumer: &str) -> Vec<Violation> {
    let named = || consumer.to_owned();
    let (mut found, mut epochs) = (Vec::new(), BTreeSet::new());
    for letter in index.letters(id, consumer) {
        if !epochs.insert(letter.epoch) {
            found.push(Violation::LetterTwice { id, consumer: named(), epoch: letter.epoch });
        }
    }
    let orphan = |letter: &&&DeadLetter| !is_backed(index.entry(id, consumer), letter.epoch);
    if let Some(letter) = index.letters(id, consumer).iter().find(orphan) {
        found.push(Violation::LetterWithoutDeadRow { id, consumer: named(), epoch: letter.epoch });
    }
    found
}

/// A row died in each epoch that it has left by a redrive, and in its present one when it is dead.
fn wrong_deaths(index: &Index<'_>, entry: &InboxEntry) -> Vec<Violation> {
    let is_dead = entry.state == InboxState::Dead;
    if !is_dead && entry.epoch == 0 {
        return Vec::new();
    }
    let letters = index.letters(entry.id, &entry.consumer);
    let consumer = || entry.consumer.clone();
    let deaths = entry.epoch.saturating_add(i32::from(is_dead));
    let written: BTreeSet<i32> = letters.iter().map(|letter| letter.epoch).collect();
    let mut found: Vec<Violation> = (0..deaths)
        .filter(|epoch| !written.contains(epoch))
        .map(|epoch| Violation::DeadLetterMissing { id: entry.id, consumer: consumer(), epoch })
        .collect();
    let last = letters.iter().find(|letter| is_dead && letter.epoch == entry.epoch);
    if let Some(letter) = last.filter(|letter| entry.dead_reason.as_ref() != Some(&letter.reason)) {
        found.push(Violation::ReasonsDiffer {
            id: entry.id,
            consumer: consumer(),
            row: entry.dead_reason.clone(),
            letter: letter.reason.clone(),
        });
    }
    found
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
