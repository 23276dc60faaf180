//! What is counted of every call: the handles are looked up once.

use std::time::Duration;

use metrics::{Counter, Histogram};
use sea_mq_dispatch::Outcome;
use sea_mq_observe::metric;

pub(super) struct Measures {
    processed: Counter,
    poison: Counter,
    transient: Counter,
    not_reached: Counter,
    processing: Histogram,
    commit_to_handled: Histogram,
}

impl Measures {
    pub(super) fn of(consumer: &str) -> Self {
        let calls = |outcome| metric::handler_calls_total(consumer.to_owned(), outcome);
        Self {
            processed: calls("processed"),
            poison: calls("poison"),
            transient: calls("transient"),
            not_reached: calls("not_reached"),
            processing: metric::message_processing_latency_ms(consumer.to_owned()),
            commit_to_handled: metric::commit_to_handled_latency_ms(consumer.to_owned()),
        }
    }

    /// A call has ended.
    pub(super) fn ended(&self, outcome: &Outcome) {
        let calls = match outcome {
            Outcome::Processed => &self.processed,
            Outcome::Poison(_) => &self.poison,
            Outcome::Transient { .. } => &self.transient,
            Outcome::NotReached(_) => &self.not_reached,
        };
        calls.increment(1);
    }

    /// What a call brought is written, `took` after its start.
    pub(super) fn settled(&self, took: Duration) {
        self.processing.record(millis(took));
    }

    /// An event is processed, so long after it occurred.
    pub(super) fn handled(&self, since: Duration) {
        self.commit_to_handled.record(millis(since));
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
