//! Which incarnation of the stream takes the events.

use std::time::{Duration, Instant};

use sea_mq_stream::{StreamError, StreamFacts};

use super::Running;
use super::acks::Seen;
use crate::leases::in_one_line;
use crate::slot::Slot;

/// How often the stream is looked at, and while it is not known.
const STREAM_EVERY: Duration = Duration::from_secs(10);
const UNKNOWN_EVERY: Duration = Duration::from_millis(250);

/// When the stream is looked at.
pub(super) struct Watch {
    pub(super) looking: Slot<Result<StreamFacts, StreamError>>,
    at: Instant,
}

impl Watch {
    pub(super) fn new(now: Instant) -> Self {
        Self { looking: None, at: now }
    }
}

impl Running {
    /// Learns the stream's incarnation, and learns of a new one.
    pub(super) fn look_at_stream(&mut self) {
        let now = Instant::now();
        if now < self.watch.at || self.watch.looking.is_some() || !self.publisher.broker.is_connected() {
            return;
        }
        self.watch.at = now + if self.acks.sending_to().is_some() { STREAM_EVERY } else { UNKNOWN_EVERY };
        let (broker, stream) = (self.publisher.broker.clone(), self.publisher.settings.stream.clone());
        self.watch.looking = Some(Box::pin(async move { broker.stream_info(&stream).await }));
    }

    pub(super) fn stream_seen(&mut self, seen: Result<StreamFacts, StreamError>) {
        match seen.map(|facts| (facts.created, self.acks.seen(facts.created, facts.last_seq()))) {
            Ok((_, Seen::First | Seen::Same)) => {}
            Ok((created, Seen::Recreated { void })) => {
                let (stream, prefix) = (&self.publisher.settings.stream, &self.publisher.settings.prefix);
                let context = prefix.split('.').next().unwrap_or_default();
                tracing::error!(
                    stream,
                    %created,
                    sent_again = void.len(),
                    "the event stream was recreated: events that only the former one held are gone from the broker; publish them again from the outbox: sea-mq replay --context {context}"
                );
                self.book.unstored(&void);
            }
            Err(error) => {
                tracing::warn!(error = in_one_line(&error), "the event stream could not be looked at");
            }
        }
    }

    /// The stream may be another one by now: nothing is sent or marked until it was looked at, and a
    /// look that is under way may have seen the former one.
    pub(super) fn forget_stream(&mut self) {
        self.acks.forget();
        (self.watch.looking, self.watch.at) = (None, Instant::now());
    }
}
