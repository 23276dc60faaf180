//! Messages that were gone from the stream before they were recorded: purged or deleted by an
//! operator, or older than the stream keeps them.
//!
//! Where the subscription takes all that the stream stores, every sequence was a message for it. So
//! each one that is passed over and was not recorded is gone, and that is certain. With a narrower
//! filter most sequences are somebody else's: there only the stream's beginning tells something. When
//! it lies above what is recorded, messages may be gone.
//!
//! Each occurrence is told once: the recorded sequence then passes over it.

use std::time::{Duration, Instant};

use sea_mq_failpoint::wall_clock;
use sea_mq_inbox::Incarnation;
use sea_mq_observe::metric;
use sea_mq_stream::{DurableFacts, StreamFacts};
use time::OffsetDateTime;

use super::spans::Spans;
use super::{Incoming, Ingest, PAGE, Session, SessionError};

/// After what time a stream that reaches further than what is recorded is read, although the durable
/// says that it owes nothing: this finds messages that were deleted one by one.
const PROVE_EVERY: Duration = Duration::from_secs(5);

/// Up to where a session knows what became of every message.
#[derive(Debug)]
pub(super) struct Account {
    /// The subscription takes all that the stream stores.
    whole: bool,
    /// Every sequence up to here was recorded, or its absence told.
    settled: u64,
    /// How many messages the durable had left after its last first delivery.
    pending: Option<u64>,
    prove_at: Instant,
}

impl Account {
    pub(super) fn new(whole: bool, settled: u64) -> Self {
        Self { whole, settled, pending: None, prove_at: Instant::now() + PROVE_EVERY }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    /// The stream goes on behind `last`, whatever it was.
    pub(super) fn end_at(&mut self, last: u64) {
        self.settled = self.settled.min(last);
    }
}

/// What is known of a consumer when it begins with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Past {
    /// It has recorded from this incarnation.
    Known,
    /// It has recorded from an earlier one.
    Recreated,
    /// It has never recorded anything from a stream of this name.
    None,
}

impl Past {
    /// And up to where it has recorded from this incarnation.
    pub(super) fn of(known: &[Incarnation], incarnation: OffsetDateTime) -> (Self, u64) {
        match known.iter().find(|k| k.created_at == incarnation) {
            Some(k) => (Self::Known, u64::try_from(k.recorded_seq).unwrap_or(0)),
            None if known.is_empty() => (Self::None, 0),
            None => (Self::Recreated, 0),
        }
    }
}

impl Session<'_> {
    /// Compares the stream's beginning with what is recorded, before anything is read.
    pub(super) async fn settle_beginning(
        &mut self,
        past: Past,
        facts: &StreamFacts,
    ) -> Result<(), SessionError> {
        let gone = facts.first_seq().saturating_sub(1);
        match past {
            Past::Known | Past::Recreated => self.pass_over(gone).await,
            Past::None => self.settle_first_beginning(facts, gone).await,
        }
    }

    /// What lies before the beginning of a subscription is not owed to it, as far as is known.
    async fn settle_first_beginning(&mut self, facts: &StreamFacts, gone: u64) -> Result<(), SessionError> {
        if gone > 0 {
            let s = &self.ingest.subscription;
            let durable = self.ingest.broker.consumer_info(&s.stream, &s.durable).await?;
            if is_cut_by_hand(facts, &durable, wall_clock().into()) {
                self.ingest.tell_dropped(&Spans::one(1, gone), false);
            }
        }
        self.account.settled = gone;
        self.continuity.advance(gone);
        // From here on the place is known, also when nothing comes for long.
        self.write(Vec::new(), gone).await
    }

    /// The stream begins above `gone`: what was not recorded until there is not to be had.
    ///
    /// Everything before must be recorded or lost: nothing may be in hand.
    pub(super) async fn pass_over(&mut self, gone: u64) -> Result<(), SessionError> {
        let next = self.continuity.recorded() + 1;
        if gone < next {
            return Ok(());
        }
        if !self.account.whole {
            self.ingest.tell_dropped(&Spans::one(next, gone), false);
            self.account.settled = gone;
        }
        self.continuity.advance(gone);
        self.write(Vec::new(), gone).await
    }

    /// Tells of what is passed over and not among the messages that are about to be recorded.
    pub(super) fn account_for(&mut self, messages: &[Incoming], upto: u64) {
        if upto <= self.account.settled {
            return;
        }
        if self.account.whole {
            let there = messages.iter().map(|message| message.stream_seq).collect();
            let missing = Spans::missing(self.account.settled + 1, upto, there);
            if !missing.is_empty() {
                self.ingest.tell_dropped(&missing, true);
            }
        }
        self.account.settled = upto;
    }

    /// True when more than the delivered message has left what the durable still has to deliver, and
    /// only the stream's beginning can tell what. `pending`: what it has left after this delivery.
    pub(super) fn shrank(&mut self, pending: u64) -> bool {
        let before = self.account.pending.replace(pending);
        !self.account.whole && before.is_some_and(|before| pending.saturating_add(1) < before)
    }

    /// Passes over what the stream dropped before `seq`.
    pub(super) async fn look_at_beginning(&mut self, seq: u64) -> Result<(), SessionError> {
        if self.account.whole {
            return Ok(());
        }
        let stream = &self.ingest.subscription.stream;
        let facts = self.ingest.broker.stream_info(stream).await?;
        self.is_the_same(&facts)?;
        self.pass_over(facts.first_seq().min(seq).saturating_sub(1)).await
    }

    /// Reads on although the durable says that it owes nothing, now and then.
    pub(super) async fn prove(&mut self, last: u64) -> Result<(), SessionError> {
        let next = self.continuity.recorded() + 1;
        if last < next {
            self.account.prove_at = Instant::now() + PROVE_EVERY;
        } else if Instant::now() >= self.account.prove_at {
            self.account.prove_at = Instant::now() + PROVE_EVERY;
            self.read_page(next, last, PAGE.min(self.window.room())).await?;
        }
        Ok(())
    }
}

impl Ingest {
    pub(super) fn tell_recreated(&self, incarnation: OffsetDateTime) {
        let (consumer, stream, source) = (self.inbox.consumer(), &self.subscription.stream, self.source());
        metric::stream_recreated_total(consumer.to_owned()).increment(1);
        tracing::error!(consumer, stream, created = %incarnation,
            "the stream was recreated: events that only the former one held are gone from the broker; publish them again from the outbox of their context: sea-mq replay --context {source}");
    }

    /// The context whose events these are.
    pub(super) fn source(&self) -> &str {
        self.subscription.subject.split('.').next().unwrap_or_default()
    }

    fn tell_dropped(&self, gone: &Spans, certain: bool) {
        let consumer = self.inbox.consumer();
        metric::stream_dropped_total(consumer.to_owned()).increment(1);
        let (stream, sequences, messages) = (&self.subscription.stream, gone.to_string(), gone.count());
        let source = self.source();
        if certain {
            tracing::error!(
                consumer,
                stream,
                sequences,
                messages,
                "messages were gone from the stream before they were recorded: purged or deleted by somebody, or older than the stream's max_age; publish them again from the outbox of their context: sea-mq replay --context {source}"
            );
        } else {
            tracing::error!(
                consumer,
                stream,
                sequences,
                messages,
                "the stream begins above what is recorded, so messages for this consumer may be gone that were purged or deleted by somebody, or older than the stream's max_age; publish what the stream lost again from the outbox of its context: sea-mq replay --context {source}"
            );
        }
    }
}

/// True when a stream whose oldest messages are gone is too young for them to have become too old,
/// and has stored nothing since the durable was made that would be older than it: pure.
fn is_cut_by_hand(facts: &StreamFacts, durable: &DurableFacts, now: OffsetDateTime) -> bool {
    let is_young = facts.max_age().is_none_or(|max_age| facts.created + max_age > now);
    let waited_since_before = facts.first_time().is_none_or(|oldest| durable.created <= oldest);
    facts.first_seq() > 1 && is_young && waited_since_before
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use sea_mq_stream::{DurableFacts, StreamFacts};
    use time::macros::datetime;

    use super::is_cut_by_hand;

    fn stream(first: u64, last: u64, first_at: &str) -> StreamFacts {
        serde_json::from_str(&format!(
            r#"{{"created":"2026-11-01T00:00:00Z","config":{{"max_age":604800000000000}},
                "state":{{"messages":{},"first_seq":{first},"last_seq":{last},"first_ts":"{first_at}"}}}}"#,
            last + 1 - first
        ))
        .unwrap()
    }

    fn durable(created: &str) -> DurableFacts {
        serde_json::from_str(&format!(
            r#"{{"created":"{created}","delivered":{{"consumer_seq":0,"stream_seq":0}},
                "ack_floor":{{"consumer_seq":0,"stream_seq":0}},"config":{{}}}}"#
        ))
        .unwrap()
    }

    #[test]
    fn a_beginning_that_age_does_not_explain() {
        let (early, late) = (durable("2026-11-02T00:00:00Z"), durable("2026-11-04T00:00:00Z"));
        let (soon, later) = (datetime!(2026-11-05 0:00 UTC), datetime!(2026-11-09 0:00 UTC));
        let third = "2026-11-03T00:00:00Z";
        assert!(is_cut_by_hand(&stream(6, 9, third), &early, soon));
        assert!(is_cut_by_hand(&stream(10, 9, "0001-01-01T00:00:00Z"), &late, soon), "nothing is left");
        assert!(!is_cut_by_hand(&stream(1, 9, third), &early, soon), "nothing is gone");
        assert!(!is_cut_by_hand(&stream(6, 9, third), &late, soon), "subscribed after it");
        assert!(!is_cut_by_hand(&stream(6, 9, third), &early, later), "it may have been too old");
    }
}
