//! Events to the broker, and what its answers mean.

use std::time::Instant;

use sea_mq_failpoint::failpoint;
use sea_mq_observe::metric;
use sea_mq_outbox::Published;
use sea_mq_stream::{OutageKind, PublishError, Stored};
use time::OffsetDateTime;

use super::Running;
use super::acks::{Ack, SentTo, ToMark};
use super::book::ToSend;
use super::message::outgoing;
use crate::leases::in_one_line;

/// A publish that has ended.
pub(super) struct Sent {
    to_send: ToSend,
    to: SentTo,
    result: Result<Stored, PublishError>,
}

impl Running {
    /// Sends what may be sent, within the bounds on messages in flight. Nothing goes out while it is
    /// not known which stream takes it.
    pub(super) async fn send(&mut self, now: Instant) {
        let bound = self.publisher.settings.in_flight_messages;
        while self.gate.allows(now, self.book.in_flight(), bound) {
            let Some(to) = self.acks.sending_to() else { break };
            let Some(to_send) = self.book.next_to_send(now) else { break };
            failpoint!("publish.send.before");
            let ack = self.publisher.broker.publish(&self.publisher.settings.stream, outgoing(&to_send.row));
            self.sending.push(Box::pin(async move { Sent { to_send, to, result: ack.await } }));
        }
    }

    pub(super) async fn answered(&mut self, Sent { to_send, to, result }: Sent) {
        failpoint!("publish.ack.after");
        match result {
            Ok(stored) => self.stored(&to_send, to, &stored),
            Err(PublishError::Outage { kind, detail }) => self.outage(&to_send, kind, &detail),
            Err(PublishError::Refused { reason }) => self.refused(&to_send, &reason).await,
        }
    }

    fn stored(&mut self, sent: &ToSend, to: SentTo, stored: &Stored) {
        self.gate.succeeded();
        let row = &sent.row;
        let published = Published {
            id: row.id,
            stream_seq: i64::try_from(stored.sequence).unwrap_or(i64::MAX),
            attempts: attempts(sent),
        };
        match self.acks.acked(to, stored, ToMark { row: published, lane: row.lane, seq: row.seq }) {
            Ack::Counts => {
                self.publisher.progress.settled();
                let waited = OffsetDateTime::now_utc() - row.since;
                metric::publish_latency_ms().record(waited.as_seconds_f64().max(0.0) * 1000.0);
                self.book.acked(row);
            }
            Ack::OfAnotherStream => self.book.failed(row, Instant::now()),
            Ack::OutOfSequence => {
                tracing::warn!(
                    stream = self.publisher.settings.stream,
                    sequence = stored.sequence,
                    after = to.after,
                    "the event stream counts anew: looking whether it was recreated"
                );
                self.forget_stream();
                self.book.failed(row, Instant::now());
            }
        }
    }

    fn outage(&mut self, sent: &ToSend, kind: OutageKind, detail: &str) {
        metric::publish_failures_total(kind.as_str()).increment(1);
        let now = Instant::now();
        match kind {
            // What comes back may be another stream of the same name.
            OutageKind::StreamMissing
            | OutageKind::NoResponders
            | OutageKind::WrongStream
            | OutageKind::Disconnected => self.forget_stream(),
            OutageKind::Timeout
            | OutageKind::StreamFull
            | OutageKind::Unavailable
            | OutageKind::PermissionDenied
            | OutageKind::Other => {}
        }
        if self.gate.failed(now) {
            tracing::warn!(message_id = %sent.row.id, kind = kind.as_str(), detail,
                "the broker does not take events: they wait in the outbox and are sent again");
        }
        self.book.failed(&sent.row, now);
    }

    async fn refused(&mut self, sent: &ToSend, reason: &str) {
        metric::publish_failures_total("refused").increment(1);
        let row = &sent.row;
        if let Err(error) = self.publisher.outbox.park(row.id, attempts(sent), reason).await {
            tracing::warn!(message_id = %row.id, error = in_one_line(&error), "a refused event could not be parked yet");
            return self.book.failed(row, Instant::now());
        }
        tracing::error!(message_id = %row.id, correlation_id = %row.correlation_id, subject = row.subject, reason,
            "the broker refuses this event for good: it is parked and holds back its aggregate; see `sea-mq outbox parked`");
        self.book.marked(&[(row.lane, row.seq)]);
        let behind = self.book.parked(row);
        self.hold(&behind).await;
    }
}

/// How often it was sent, this time included.
fn attempts(sent: &ToSend) -> i32 {
    i32::try_from(sent.failures).unwrap_or(i32::MAX).saturating_add(1)
}
