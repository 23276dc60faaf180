//! Dead letters: what is dying is published, and dead once its letter is acknowledged.

use std::sync::Arc;
use std::time::Duration;

use sea_mq_failpoint::{failpoint, wall_clock};
use sea_mq_inbox::{AggregateKey, Inbox, Letter};
use sea_mq_observe::metric;
use sea_mq_stream::{Broker, DeadLetter};
use time::OffsetDateTime;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Shared;
use crate::leases::in_one_line;

/// How often dying rows are looked for: those that another instance recorded are told to nobody.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Letters that are sent at once.
const GROUP: i64 = 64;

/// A message whose letter is stored.
pub(super) struct Closed {
    pub(super) id: Uuid,
    pub(super) key: AggregateKey,
    pub(super) lane: i16,
    pub(super) held: bool,
}

/// The task that sends dead letters.
pub(super) struct Letters {
    pub(super) inbox: Inbox,
    pub(super) broker: Broker,
    pub(super) shared: Arc<Shared>,
    pub(super) stream: String,
    pub(super) prefix: String,
    pub(super) hold: bool,
    pub(super) wake: Arc<Notify>,
    pub(super) closed: mpsc::UnboundedSender<Closed>,
}

impl Letters {
    pub(super) async fn run(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            self.send_all().await;
        }
    }

    async fn send_all(&self) {
        let lanes = self.shared.book().lanes();
        if lanes.is_empty() {
            return;
        }
        // Page after page: letters that cannot be stored must not hide those after them.
        let mut after = 0;
        loop {
            let letters = match self.inbox.letters(&lanes, after, GROUP).await {
                Ok(letters) => letters,
                Err(error) => {
                    tracing::warn!(error = in_one_line(&error), "dying messages could not be read");
                    return;
                }
            };
            let Some(last) = letters.last() else { return };
            after = last.pos;
            futures::future::join_all(letters.into_iter().map(|letter| self.send(letter))).await;
        }
    }

    async fn send(&self, letter: Letter) {
        let (id, fence) = (letter.message_id, letter.fence);
        let key = AggregateKey::of(
            letter.aggregate_type.as_deref(),
            letter.aggregate_id.as_deref(),
            id,
            letter.exempt,
        );
        let (lane, reason, consumer) = (letter.lane, letter.reason.clone(), self.inbox.consumer());
        failpoint!("dead_letter.publish.before" => return);
        let outgoing = self.dead_letter(letter).into_outgoing(self.broker.max_payload());
        if let Err(error) = self.broker.publish(&self.stream, outgoing).await {
            tracing::error!(message_id = %id, consumer, error = in_one_line(&error),
                "a dead letter could not be stored: its event stays in the inbox, and the letter is sent again");
            // Outages end by themselves; the next look sends it again.
            return tokio::time::sleep(LOOK_EVERY).await;
        }
        failpoint!("dead_letter.publish.after" => return);
        match self.inbox.mark_dead(id, fence, self.hold).await {
            Ok(true) => {
                metric::dead_letters_total(consumer.to_owned(), reason.clone()).increment(1);
                tracing::error!(message_id = %id, consumer, reason, "dead-lettered");
                let held = self.hold && matches!(key, AggregateKey::Aggregate(..));
                let _ = self.closed.send(Closed { id, key, lane, held });
            }
            // Settled otherwise meanwhile: its aggregate's owner finds out how.
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(message_id = %id, consumer, error = in_one_line(&error), "a dead letter is stored, its mark follows");
            }
        }
    }

    fn dead_letter(&self, letter: Letter) -> DeadLetter {
        DeadLetter {
            prefix: self.prefix.clone(),
            subject: letter.subject,
            headers: letter.headers,
            body: letter.body,
            event_id: letter.message_id,
            reason: letter.reason,
            error: letter.error.unwrap_or_default(),
            attempts: letter.attempts,
            consumer: self.inbox.consumer().to_owned(),
            stream: letter.stream,
            stream_seq: u64::try_from(letter.stream_seq).unwrap_or(0),
            failed_at: OffsetDateTime::from(wall_clock()),
            epoch: letter.epoch,
        }
    }
}
