use std::collections::HashMap;

use super::index::Index;
use super::violation::Violation;
use crate::history::{History, InboxState, OutboxState, Reading};

/// Workers count no further than this; a longer backlog reads as some number from here on.
const COUNT_BOUND: u64 = 200_000;

/// Gauges that say another number than the tables.
pub(super) fn wrong_metrics(index: &Index<'_>) -> Vec<Violation> {
    if index.history.readings.is_empty() {
        return Vec::new();
    }
    let tallies = Tallies::of(index.history);
    let wrong = |reading: &Reading| {
        let counted = tallies.expected(reading)?;
        // Exact far beyond any number of rows.
        let agrees = (reading.value - counted as f64).abs() < f64::EPSILON;
        let beyond = counted > COUNT_BOUND && reading.value >= COUNT_BOUND as f64;
        (!agrees && !beyond).then(|| Violation::MetricWrong {
            context: reading.context.clone(),
            instance: reading.instance.clone(),
            metric: reading.metric.clone(),
            consumer: reading.consumer.clone(),
            shown: reading.value.to_string(),
            counted,
        })
    };
    index.history.readings.iter().filter_map(wrong).collect()
}

/// Which rows a gauge counts.
#[derive(Clone, Copy)]
pub(super) enum Counts {
    /// Of the worker's outbox.
    Outbox(&'static [OutboxState]),
    /// Of the consumer's inbox.
    Inbox(&'static [InboxState]),
}

/// What a gauge counts; `None` for one that is not judged.
pub(super) fn counts(metric: &str) -> Option<Counts> {
    use InboxState::{Behind, Dying, Ready, Running, Waiting};
    Some(match metric {
        "outbox_unpublished_count" => Counts::Outbox(&[OutboxState::Ready, OutboxState::Held]),
        "outbox_parked_count" => Counts::Outbox(&[OutboxState::Parked]),
        "inbox_unprocessed_count" => Counts::Inbox(&[Ready, Running, Waiting, Behind, Dying]),
        "inbox_waiting_count" => Counts::Inbox(&[Waiting, Behind]),
        _not_a_count_of_rows => return None,
    })
}

struct Tallies<'a> {
    outbox: HashMap<&'a str, Vec<OutboxState>>,
    inbox: HashMap<&'a str, Vec<InboxState>>,
}

impl<'a> Tallies<'a> {
    /// Of what is unfinished: the rest is in no gauge.
    fn of(history: &'a History) -> Self {
        let mut tallies = Self { outbox: HashMap::new(), inbox: HashMap::new() };
        for event in history.committed.iter().filter(|event| event.state != OutboxState::Published) {
            tallies.outbox.entry(&event.context).or_default().push(event.state);
        }
        for row in history.inbox.iter().filter(|row| row.state != InboxState::Processed) {
            tallies.inbox.entry(&row.consumer).or_default().push(row.state);
        }
        tallies
    }

    fn expected(&self, reading: &Reading) -> Option<u64> {
        let number = match counts(&reading.metric)? {
            Counts::Outbox(states) => {
                let rows = self.outbox.get(reading.context.as_str()).map_or(&[][..], Vec::as_slice);
                rows.iter().filter(|state| states.contains(state)).count()
            }
            Counts::Inbox(states) => {
                let consumer = reading.consumer.as_deref()?;
                let rows = self.inbox.get(consumer).map_or(&[][..], Vec::as_slice);
                rows.iter().filter(|state| states.contains(state)).count()
            }
        };
        u64::try_from(number).ok()
    }
}
