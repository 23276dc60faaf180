//! Events to the broker, and what its answers mean.

use std::time::Instant;

use sea_mq_contracts::Violation;
use sea_mq_failpoint::{failpoint, wall_clock};
use sea_mq_observe::metric;
use sea_mq_outbox::{Claimed, Published};
use sea_mq_stream::{Broker, OutageKind, PublishError, Stored, StreamError};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Running;
use super::acks::{Ack, SentTo, ToMark};
use super::book::ToSend;
use super::message::outgoing;
use crate::leases::in_one_line;

/// A publish that has ended.
pub(super) struct Sent {
    to_send: ToSend,
    to: SentTo,
    result: Result<Stored, Unstored>,
}

/// Why an event is not in the stream.
enum Unstored {
    Broker(PublishError),
    /// It was not sent.
    Contract(Violation),
    /// The stream knows its id and does not hold it, at least not where it says.
    Remembered {
        sequence: u64,
    },
}

impl Running {
    /// Sends what may be sent, within the bounds on messages in flight. Nothing goes out while it is
    /// not known which stream takes it.
    pub(super) async fn send(&mut self, now: Instant) {
        let bound = self.publisher.settings.in_flight_messages;
        while self.gate.allows(now, self.book.in_flight(), bound) {
            let Some(to) = self.acks.sending_to() else { break };
            let Some(to_send) = self.book.next_to_send(now) else { break };
            let row = &to_send.row;
            if let Err(violation) = self.publisher.contracts.check(&row.subject, row.payload.as_bytes()) {
                let sent = Sent { to_send, to, result: Err(Unstored::Contract(violation)) };
                self.sending.push(Box::pin(std::future::ready(sent)));
                continue;
            }
            failpoint!("publish.send.before" => {
                self.sending.push(Box::pin(std::future::ready(unsent(to_send, to))));
                continue;
            });
            let broker = self.publisher.broker.clone();
            let id = to_send.row.id;
            let ack = broker.publish(&self.publisher.settings.stream, outgoing(&to_send.row));
            self.sending.push(Box::pin(async move {
                let result = match ack.await {
                    Ok(stored) if stored.duplicate => held(&broker, stored, id).await,
                    Ok(stored) => Ok(stored),
                    Err(error) => Err(Unstored::Broker(error)),
                };
                Sent { to_send, to, result }
            }));
        }
    }

    pub(super) async fn answered(&mut self, Sent { to_send, to, result }: Sent) {
        failpoint!("publish.ack.after" => return self.outage(&to_send, OutageKind::Disconnected, "failpoint"));
        match result {
            Ok(stored) => self.stored(&to_send, to, &stored),
            Err(Unstored::Broker(PublishError::Outage { kind, detail })) => {
                self.outage(&to_send, kind, &detail);
            }
            Err(Unstored::Broker(PublishError::Refused { reason })) => {
                metric::publish_failures_total("refused").increment(1);
                self.park(&to_send.row, attempts(&to_send), &reason).await;
            }
            Err(Unstored::Remembered { sequence }) => {
                metric::publish_failures_total("remembered").increment(1);
                tracing::warn!(message_id = %to_send.row.id, stream = self.publisher.settings.stream, sequence,
                    "the stream answers \"duplicate\" for an event that it does not hold there: it was purged, or could not be stored; the event is sent again until its id is forgotten");
                self.book.failed(&to_send.row, Instant::now());
            }
            Err(Unstored::Contract(violation)) => {
                metric::publish_failures_total("contract").increment(1);
                // It was not sent this time.
                self.park(&to_send.row, attempts(&to_send) - 1, &violation.to_string()).await;
            }
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
                let waited = OffsetDateTime::from(wall_clock()) - row.since;
                metric::publish_latency_ms().record(waited.as_seconds_f64().max(0.0) * 1000.0);
                self.book.acked(row);
            }
            Ack::OfAnotherStream => self.book.failed(row, Instant::now()),
            Ack::OutOfSequence => {
                tracing::warn!(
                    stream = self.publisher.settings.stream,
                    sequence = stored.sequence,
                    after = to.after,
                    "the event stream gave a sequence out twice: looking whether it was recreated; the event is sent again"
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

    /// Parks an event that the broker refuses for good, or that breaks its contract.
    async fn park(&mut self, row: &Claimed, attempts: i32, reason: &str) {
        if let Err(error) = self.publisher.outbox.park(row.id, attempts, reason).await {
            tracing::warn!(message_id = %row.id, error = in_one_line(&error), "a refused event could not be parked yet");
            return self.book.failed(row, Instant::now());
        }
        tracing::error!(message_id = %row.id, correlation_id = %row.correlation_id, subject = row.subject, reason,
            "this event cannot be published: it is parked and holds back its aggregate; see `sea-mq outbox parked`");
        self.book.marked(&[(row.lane, row.seq)]);
        let behind = self.book.parked(row);
        self.hold(&behind).await;
    }
}

/// What is left of an event when the connection breaks before it is sent: for failpoints.
#[cfg(debug_assertions)]
fn unsent(to_send: ToSend, to: SentTo) -> Sent {
    let outage = PublishError::Outage { kind: OutageKind::Disconnected, detail: "failpoint".to_owned() };
    Sent { to_send, to, result: Err(Unstored::Broker(outage)) }
}

/// How often it was sent, this time included.
fn attempts(sent: &ToSend) -> i32 {
    i32::try_from(sent.failures).unwrap_or(i32::MAX).saturating_add(1)
}

/// A "duplicate" counts only while the stream holds the event where it says: one that was purged answers so
/// until its duplicate window has passed, and so may one that has failed to store the event.
async fn held(broker: &Broker, stored: Stored, id: Uuid) -> Result<Stored, Unstored> {
    match broker.holds(&stored.stream, stored.sequence, &id.to_string()).await {
        Ok(true) => Ok(stored),
        Ok(false) => Err(Unstored::Remembered { sequence: stored.sequence }),
        Err(error) => {
            let is_denied = matches!(error, StreamError::Denied { .. });
            let kind = if is_denied { OutageKind::PermissionDenied } else { OutageKind::Unavailable };
            Err(Unstored::Broker(PublishError::Outage { kind, detail: in_one_line(&error) }))
        }
    }
}
