use std::fmt::Write as _;

use uuid::Uuid;

use super::index::Index;
use super::metrics::{Counts, counts};
use super::violation::Violation;
use crate::history::{CommittedEvent, History, InboxEntry, Place};

/// More violations than this are told without a story: nobody reads them, and they take room.
const TOLD: usize = 500;
/// Of what one event has caused, so many are told; and of the rows behind a metric.
const LISTED: usize = 10;

/// One story for each violation, in their order, and empty ones where they are too many.
pub(super) fn stories(index: &Index<'_>, violations: &[Violation]) -> Vec<String> {
    let told = |(nth, violation): (usize, &Violation)| {
        if nth >= TOLD {
            String::new()
        } else if let Violation::MetricWrong { context, metric, consumer, .. } = violation {
            counted(index.history, context, metric, consumer.as_deref())
        } else {
            violation.events().into_iter().map(|id| story(index, id)).collect()
        }
    };
    violations.iter().enumerate().map(told).collect()
}

/// All that is known of one event, a line for each thing that happened to it.
fn story(index: &Index<'_>, id: Uuid) -> String {
    let mut text = format!("    {id}\n");
    tell_commit(&mut text, index, id);
    for event in index.streamed.get(&id).into_iter().flatten() {
        tell(&mut text, &format!("stored as {} at {}", event.subject, place(&event.place)));
    }
    tell_gone(&mut text, index, id);
    for consumer in &index.consumers {
        if let Some(entry) = index.entry(id, consumer) {
            tell_entry(&mut text, entry);
        }
        for effect in index.effects(id, consumer) {
            let (order, fence) = (effect.order, effect.fence);
            tell(&mut text, &format!("effect {order} of {consumer} by the attempt with fence {fence}"));
        }
        for letter in index.letters(id, consumer) {
            let (epoch, reason, at) = (letter.epoch, &letter.reason, place(&letter.place));
            tell(&mut text, &format!("dead letter of {consumer} at epoch {epoch}: {reason}, at {at}"));
        }
    }
    if index.history.effectless.contains(&id) {
        tell(&mut text, "its handler settled it without an effect, on purpose");
    }
    tell_caused(&mut text, index, id);
    text
}

fn tell_commit(text: &mut String, index: &Index<'_>, id: Uuid) {
    let Some(event) = index.committed.get(&id) else {
        return tell(text, "never committed to an outbox");
    };
    let aggregate = event.aggregate.as_ref().map_or_else(|| "no aggregate".to_owned(), ToString::to_string);
    let stored = event.stored.as_ref().map_or_else(|| "nowhere".to_owned(), place);
    tell(
        text,
        &format!(
            "committed by {} at {} as {} ({aggregate}), outbox seq {}, {:?}, stored {stored}",
            event.context, event.recorded_at, event.subject, event.seq, event.state
        ),
    );
    let cause = event.causation_id.map_or_else(|| "nothing".to_owned(), |cause| named(index, cause));
    tell(text, &format!("chain {}, caused by {cause}", event.correlation_id));
    if index.history.replayed.contains(&id) {
        let repair = index.history.repairs.get(&id).copied().unwrap_or(1);
        tell(text, &format!("published again by repair {repair}"));
    }
}

/// That the place which the outbox names holds it no longer.
fn tell_gone(text: &mut String, index: &Index<'_>, id: Uuid) {
    let stored = index.committed.get(&id).and_then(|event| event.stored.as_ref());
    if let Some(stored) = stored.filter(|stored| !index.holds(&stored.stream, id)) {
        tell(text, &format!("{} no longer holds it: purged, expired or made anew", stored.stream));
    }
}

fn tell_entry(text: &mut String, entry: &InboxEntry) {
    tell(
        text,
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

fn tell_caused(text: &mut String, index: &Index<'_>, id: Uuid) {
    let caused = index.caused(id);
    for event in caused.iter().take(LISTED) {
        tell(text, &format!("has caused {}", described(event)));
    }
    if let more @ 1.. = caused.len().saturating_sub(LISTED) {
        tell(text, &format!("and has caused {more} more"));
    }
    if caused.is_empty() && index.history.expects_caused.contains(&id) {
        tell(text, "should have caused an event, and has caused none");
    }
}

/// The rows that a metric counts.
fn counted(history: &History, context: &str, metric: &str, consumer: Option<&str>) -> String {
    let rows: Vec<Uuid> = match counts(metric) {
        Some(Counts::Outbox(states)) => {
            let rows = history.committed.iter().filter(|e| e.context == context && states.contains(&e.state));
            rows.map(|event| event.id).collect()
        }
        Some(Counts::Inbox(states)) => {
            let rows = history.inbox.iter();
            let rows = rows.filter(|row| Some(&*row.consumer) == consumer && states.contains(&row.state));
            rows.map(|row| row.id).collect()
        }
        None => Vec::new(),
    };
    let mut text = String::new();
    for id in rows.iter().take(LISTED) {
        tell(&mut text, &format!("is counted: {id}"));
    }
    if let more @ 1.. = rows.len().saturating_sub(LISTED) {
        tell(&mut text, &format!("and {more} more"));
    }
    text
}

fn named(index: &Index<'_>, id: Uuid) -> String {
    index.committed.get(&id).map_or_else(|| format!("{id}, unknown"), |event| described(event))
}

fn described(event: &CommittedEvent) -> String {
    format!("{} ({} of {}, outbox seq {})", event.id, event.subject, event.context, event.seq)
}

fn place(place: &Place) -> String {
    format!("{}#{} (of {})", place.stream, place.seq, place.incarnation)
}

fn tell(text: &mut String, line: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "      {line}");
}
