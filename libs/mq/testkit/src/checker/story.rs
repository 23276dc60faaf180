use std::fmt::Write as _;

use uuid::Uuid;

use super::index::Index;
use crate::history::{CommittedEvent, Place};

/// All that is known of one event, a line for each thing that happened to it.
pub(super) fn story(index: &Index<'_>, id: Uuid) -> String {
    let mut text = String::new();
    match index.committed.get(&id) {
        Some(event) => tell_commit(&mut text, event),
        None => tell(&mut text, "never committed to an outbox"),
    }
    for event in index.streamed.get(&id).into_iter().flatten() {
        tell(&mut text, &format!("stored as {} at {}", event.subject, place(&event.place)));
    }
    for entry in index.history.inbox.iter().filter(|entry| entry.id == id) {
        tell(
            &mut text,
            &format!(
                "inbox of {}: {:?}, {} attempts, fence {}, epoch {}, pos {}, read at {}, reason {}, last error {}",
                entry.consumer,
                entry.state,
                entry.attempts,
                entry.fence,
                entry.epoch,
                entry.pos,
                place(&entry.place),
                entry.dead_reason.as_deref().unwrap_or("none"),
                entry.last_error.as_deref().unwrap_or("none"),
            ),
        );
    }
    for effect in index.history.effects.iter().filter(|effect| effect.id == id) {
        tell(
            &mut text,
            &format!(
                "effect {} of {} by the attempt with fence {}",
                effect.order, effect.consumer, effect.fence
            ),
        );
    }
    for letter in index.history.letters.iter().filter(|letter| letter.id == id) {
        tell(
            &mut text,
            &format!(
                "dead letter of {} at epoch {}: {}, at {}",
                letter.consumer,
                letter.epoch,
                letter.reason,
                place(&letter.place)
            ),
        );
    }
    text
}

fn tell_commit(text: &mut String, event: &CommittedEvent) {
    let aggregate = event.aggregate.as_ref().map_or_else(|| "no aggregate".to_owned(), ToString::to_string);
    let stored = event.stored.as_ref().map_or_else(|| "nowhere".to_owned(), place);
    tell(
        text,
        &format!(
            "committed by {} at {} as {} ({aggregate}), outbox seq {}, {:?}, stored {stored}",
            event.context, event.recorded_at, event.subject, event.seq, event.state
        ),
    );
}

fn place(place: &Place) -> String {
    format!("{}#{} (of {})", place.stream, place.seq, place.incarnation)
}

fn tell(text: &mut String, line: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "      {line}");
}
