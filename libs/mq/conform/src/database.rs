//! Inbox and outbox of the context, as its worker's role sees them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

use crate::ConformError;
use crate::message::{AGGREGATE, Message};
use crate::verdict::Found;

/// What the made-up rows say they came from: nothing else has this name.
const STREAM: &str = "SEA_MQ_CONFORM";

const RECORD: &str = "
    INSERT INTO inbox_messages (message_id, consumer, subject, event_type, event_version, aggregate_type,
        aggregate_id, lane, stream, stream_created_at, stream_seq, headers, body, state, attempts, fence)
    SELECT id, $2, $3, $4, $5, $6, id::text, mq_lane_of($6, id::text, id), $7, now(), 0,
        '[]'::bytea, '{}'::bytea, 'running', 1, $8
    FROM unnest($1::uuid[]) id";

// A worker starts the next attempt likewise, when the time of the one before is over.
const START_NEXT: &str = "
    UPDATE inbox_messages SET fence = fence + 1, attempts = attempts + 1
    WHERE message_id = $1 AND consumer = $2 AND state = 'running'";

// A worker settles so what is answered with 2xx or 409, whichever attempt it was.
const SETTLE_ONE: &str = "
    UPDATE inbox_messages
    SET state = 'processed', processed_at = clock_timestamp(), next_attempt_at = NULL, headers = NULL, body = NULL
    WHERE message_id = $1 AND consumer = $2";

// Whoever waits for this transaction, and whoever stands in line behind the first of these.
const WAITING: &str = "
    WITH first AS MATERIALIZED (
        SELECT pid FROM pg_locks WHERE NOT granted AND locktype = 'transactionid' AND transactionid::text = $1)
    SELECT (SELECT count(*) FROM first)
         + (SELECT count(*) FROM pg_locks behind
            JOIN pg_locks ahead ON ahead.granted AND ahead.locktype = 'tuple'
                AND (ahead.database, ahead.relation, ahead.page, ahead.tuple)
                  = (behind.database, behind.relation, behind.page, behind.tuple)
            JOIN first ON first.pid = ahead.pid
            WHERE NOT behind.granted AND behind.locktype = 'tuple')";

// The time of long ago lets the worker's next clean-up delete them. What a handler still holds is left.
const SETTLE: &str = "
    WITH due AS MATERIALIZED (
        SELECT message_id FROM inbox_messages
        WHERE consumer = $1 AND stream = $2
          AND (message_id = ANY($3) OR received_at < now() - interval '1 hour')
          AND (state <> 'processed' OR processed_at > timestamptz '2000-01-01')),
    taken AS MATERIALIZED (
        SELECT message_id FROM inbox_messages
        WHERE consumer = $1 AND message_id IN (SELECT message_id FROM due) FOR UPDATE SKIP LOCKED),
    settled AS (
        UPDATE inbox_messages
        SET state = 'processed', processed_at = timestamptz '2000-01-01',
            received_at = timestamptz '2000-01-01', headers = NULL, body = NULL, next_attempt_at = NULL
        WHERE consumer = $1 AND message_id IN (SELECT message_id FROM taken)
        RETURNING 1)
    SELECT (SELECT count(*) FROM due) - (SELECT count(*) FROM settled)";

const EMITTED: &str = "
    SELECT correlation_id, causation_id, trace_id, publish_after IS NOT NULL, tx::xid::text::bigint
    FROM outbox_events
    WHERE seq > $1 AND (causation_id = $2 OR correlation_id = $3 OR strpos(trace_id, $4) > 0)";

/// An event that the handler put into the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Emitted {
    pub(crate) correlation_id: Uuid,
    pub(crate) causation_id: Option<Uuid>,
    pub(crate) trace_id: Option<String>,
    /// The transaction it was emitted in, as the database writes it into rows; `None` when it was to be
    /// published later: a worker writes another then.
    pub(crate) by: Option<i64>,
}

/// What came of starting an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Started {
    /// It is the current one.
    Yes,
    /// The message is processed.
    Done,
    /// Somebody kept the row locked for longer than a worker waits.
    Locked,
}

/// The context's database.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pool: PgPool,
    consumer: String,
    /// Outbox rows up to here were there before.
    before: i64,
    /// Bytes of the largest payload.
    pub(crate) largest: usize,
}

/// An inbox row that is locked, as it is while a worker settles it or a handler marks it.
pub(crate) struct Held {
    transaction: Transaction<'static, Postgres>,
    consumer: String,
    xid: String,
}

impl Database {
    pub(crate) async fn open(pool: PgPool, consumer: &str) -> Result<Self, ConformError> {
        let look = "SELECT (SELECT coalesce(max(seq), 0) FROM outbox_events),
                           (SELECT max_payload_bytes FROM mq_settings),
                           EXISTS (SELECT FROM inbox_streams WHERE consumer = $1)";
        let (before, largest, in_use): (i64, i32, bool) = sqlx::query_as(look)
            .bind(consumer)
            .fetch_one(&pool)
            .await
            .map_err(ConformError::database("be looked at"))?;
        if in_use {
            return Err(ConformError::ConsumerInUse { consumer: consumer.to_owned() });
        }
        let largest = usize::try_from(largest).unwrap_or_default();
        Ok(Self { pool, consumer: consumer.to_owned(), before, largest })
    }

    /// Records the messages, of one subject and fence, as a worker does that starts them at once.
    pub(crate) async fn record(&self, messages: &[Message]) -> Result<(), ConformError> {
        let Some(first) = messages.first() else { return Ok(()) };
        let ids: Vec<Uuid> = messages.iter().map(|message| message.id).collect();
        sqlx::query(RECORD)
            .bind(ids)
            .bind(&self.consumer)
            .bind(&first.subject_text)
            .bind(first.subject.event_type())
            .bind(first.subject.version())
            .bind(AGGREGATE)
            .bind(STREAM)
            .bind(first.fence)
            .execute(&self.pool)
            .await
            .map(drop)
            .map_err(ConformError::database("record made-up events in its inbox"))
    }

    /// Starts the next attempt, or says why not.
    pub(crate) async fn start_next(&self, id: Uuid) -> Result<Started, ConformError> {
        match sqlx::query(START_NEXT).bind(id).bind(&self.consumer).execute(&self.pool).await {
            Ok(done) if done.rows_affected() == 1 => Ok(Started::Yes),
            Ok(_) => Ok(Started::Done),
            Err(error) if is_lock_timeout(&error) => Ok(Started::Locked),
            Err(error) => Err(ConformError::database("start an attempt")(error)),
        }
    }

    /// What there is of a message.
    pub(crate) async fn find(&self, message: &Message) -> Result<Found, ConformError> {
        let look = "SELECT state, fence, xmin::text::bigint FROM inbox_messages
                    WHERE message_id = $1 AND consumer = $2";
        let row: Option<(String, i64, i64)> = sqlx::query_as(look)
            .bind(message.id)
            .bind(&self.consumer)
            .fetch_optional(&self.pool)
            .await
            .map_err(ConformError::database("read its inbox"))?;
        let emitted = self.emitted(message).await?;
        let marked = row.as_ref().filter(|(state, _, _)| state == "processed");
        let after = |by: i64| marked.is_some_and(|(_, _, mark)| precedes(*mark, by));
        let acted_after = emitted.iter().filter_map(|row| row.by).any(after);
        let row = row.map(|(state, fence, _)| (state, fence));
        Ok(Found { row, emitted: emitted.len(), acted_after })
    }

    /// What the handler emitted because of a message, known by any of the three ids.
    pub(crate) async fn emitted(&self, message: &Message) -> Result<Vec<Emitted>, ConformError> {
        let rows: Vec<(Uuid, Option<Uuid>, Option<String>, bool, i64)> = sqlx::query_as(EMITTED)
            .bind(self.before)
            .bind(message.id)
            .bind(message.correlation)
            .bind(&message.trace)
            .fetch_all(&self.pool)
            .await
            .map_err(ConformError::database("read its outbox"))?;
        let read = |(correlation_id, causation_id, trace_id, scheduled, by): (_, _, _, bool, _)| Emitted {
            correlation_id,
            causation_id,
            trace_id,
            by: (!scheduled).then_some(by),
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// How many outbox rows came since the beginning, whoever made them.
    pub(crate) async fn came_since(&self) -> Result<i64, ConformError> {
        sqlx::query_scalar("SELECT count(*) FROM outbox_events WHERE seq > $1")
            .bind(self.before)
            .fetch_one(&self.pool)
            .await
            .map_err(ConformError::database("read its outbox"))
    }

    /// Locks a message's row.
    pub(crate) async fn hold(&self, id: Uuid) -> Result<Held, ConformError> {
        let failed = || ConformError::database("lock a made-up event");
        let mut transaction = self.pool.begin().await.map_err(failed())?;
        let lock = "SELECT pg_current_xact_id()::xid::text FROM inbox_messages
                    WHERE message_id = $1 AND consumer = $2 FOR UPDATE";
        let xid = sqlx::query_scalar(lock).bind(id).bind(&self.consumer).fetch_one(&mut *transaction);
        let xid = xid.await.map_err(failed())?;
        Ok(Held { transaction, consumer: self.consumer.clone(), xid })
    }

    /// Finishes the made-up messages, so that nobody ever waits for one, and says how many others hold.
    pub(crate) async fn settle(&self, ids: &[Uuid]) -> Result<i64, ConformError> {
        let settled = sqlx::query_scalar(SETTLE).bind(&self.consumer).bind(STREAM).bind(ids);
        let left = settled.fetch_one(&self.pool).await;
        left.map_err(ConformError::database("finish the made-up events in its inbox"))
    }

    /// Whether a worker runs here: it publishes what the handler emits.
    pub(crate) async fn has_worker(pool: &PgPool) -> Result<bool, ConformError> {
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM mq_instances WHERE expires_at > clock_timestamp())")
            .fetch_one(pool)
            .await
            .map_err(ConformError::database("be asked for its workers"))
    }
}

impl Held {
    /// Returns when so many wait for the row, when there is nothing more to wait for, or when they had
    /// time enough to come that far: false then. It is asked within the transaction, so that this is
    /// never idle.
    pub(crate) async fn until_waiting(
        &mut self,
        count: i64,
        patience: Duration,
        enough: &AtomicBool,
    ) -> Result<bool, ConformError> {
        let deadline = Instant::now() + patience;
        while !enough.load(Ordering::Relaxed) {
            let waiting = sqlx::query_scalar(WAITING).bind(&self.xid).fetch_one(&mut *self.transaction);
            let waiting: i64 = waiting.await.map_err(ConformError::database("be asked who waits"))?;
            if waiting >= count {
                break;
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(true)
    }

    /// Starts the message's next attempt.
    pub(crate) async fn start_next(&mut self, id: Uuid) -> Result<(), ConformError> {
        let update = sqlx::query(START_NEXT).bind(id).bind(&self.consumer).execute(&mut *self.transaction);
        update.await.map(drop).map_err(ConformError::database("start an attempt"))
    }

    /// Marks it processed, as a worker does.
    pub(crate) async fn settle(&mut self, id: Uuid) -> Result<(), ConformError> {
        let update = sqlx::query(SETTLE_ONE).bind(id).bind(&self.consumer).execute(&mut *self.transaction);
        update.await.map(drop).map_err(ConformError::database("settle a made-up event"))
    }

    pub(crate) async fn release(self) -> Result<(), ConformError> {
        self.transaction.commit().await.map_err(ConformError::database("unlock a made-up event"))
    }
}

fn is_lock_timeout(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "55P03")
}

/// Whether a transaction began to write before another one did. Rows hold the lower 32 bits of their
/// numbers, which come round again.
fn precedes(one: i64, other: i64) -> bool {
    let ahead = other.wrapping_sub(one).rem_euclid(1 << 32);
    ahead > 0 && ahead < 1 << 31
}

#[cfg(test)]
mod tests {
    use super::precedes;

    #[test]
    fn transactions_are_compared_in_their_circle() {
        let last = (1 << 32) - 1;
        for (one, other, before) in
            [(5, 6, true), (6, 5, false), (5, 5, false), (last, 3, true), (3, last, false)]
        {
            assert_eq!(precedes(one, other), before, "{one} {other}");
        }
    }
}
