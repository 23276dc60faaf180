use bytes::Bytes;
use sea_mq_failpoint::failpoint;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::{Headers, Inbox, InboxError};

/// What a dead letter is made of.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The message.
    pub message_id: Uuid,
    /// The raised fence.
    pub fence: i64,
    /// Its epoch.
    pub epoch: i32,
    /// The original subject.
    pub subject: String,
    /// Its headers as received.
    pub headers: Headers,
    /// The original body.
    pub body: Bytes,
    /// Why it was given up.
    pub reason: String,
    /// The last error.
    pub error: Option<String>,
    /// Attempts made.
    pub attempts: i32,
    /// Its stream.
    pub stream: String,
    /// Its sequence there.
    pub stream_seq: i64,
    /// Aggregate kind.
    pub aggregate_type: Option<String>,
    /// Aggregate identity.
    pub aggregate_id: Option<String>,
    /// Its lane.
    pub lane: i16,
    /// Its place in the recording order.
    pub pos: i64,
    /// Exempt from its aggregate's order.
    pub exempt: bool,
}

impl Inbox {
    /// The letters of dying messages of the given lanes from after a place on, in recording order, at
    /// most `limit`.
    ///
    /// # Errors
    /// [`InboxError::Database`].
    pub async fn letters(&self, lanes: &[i16], after: i64, limit: i64) -> Result<Vec<Letter>, InboxError> {
        self.ask("read dying messages", async |connection| {
            let rows = sqlx::query(
                "SELECT message_id, fence, epoch, subject, headers, body, dead_reason, last_error, attempts,
                        stream, stream_seq, aggregate_type, aggregate_id, lane, exempt, pos
                 FROM inbox_messages
                 WHERE consumer = $1 AND state = 'dying' AND lane = ANY ($2) AND pos > $3
                 ORDER BY pos LIMIT $4",
            )
            .bind(&self.consumer)
            .bind(lanes)
            .bind(after)
            .bind(limit)
            .fetch_all(connection)
            .await?;
            rows.iter().map(read_letter).collect()
        })
        .await
    }

    /// Marks a dying message dead at its epoch, after its letter was acknowledged. With `hold` its
    /// aggregate stops until it is redriven or discarded. False when it is no longer dying.
    ///
    /// # Errors
    /// [`InboxError::Database`]: it stays dying, and its letter will be sent again under the same id.
    pub async fn mark_dead(&self, message_id: Uuid, fence: i64, hold: bool) -> Result<bool, InboxError> {
        failpoint!("inbox.dead.before", crate::lost("mark a message dead"));
        let done = self
            .ask("mark a message dead", async |connection| {
                sqlx::query(
                    "UPDATE inbox_messages
             SET state = 'dead', dead_lettered_at = clock_timestamp(), dead_epoch = epoch,
                 holding = $4 AND aggregate_id IS NOT NULL
             WHERE consumer = $1 AND message_id = $2 AND fence = $3 AND state || '' = 'dying'",
                )
                .bind(&self.consumer)
                .bind(message_id)
                .bind(fence)
                .bind(hold)
                .execute(connection)
                .await
            })
            .await?;
        failpoint!("inbox.dead.after", crate::lost("mark a message dead"));
        Ok(done.rows_affected() == 1)
    }

    /// Lets a dead message run once more, exempt from order: epoch + 1, attempts from 0. Its
    /// aggregate, if it was held, goes on. False when it is not dead.
    ///
    /// # Errors
    /// [`InboxError::Database`].
    pub async fn redrive(&self, message_id: Uuid) -> Result<bool, InboxError> {
        let done = self
            .ask("redrive a message", async |connection| {
                sqlx::query(
                    "UPDATE inbox_messages
             SET state = 'waiting', next_attempt_at = clock_timestamp(), epoch = epoch + 1, attempts = 0,
                 exempt = NOT holding, holding = false
             WHERE consumer = $1 AND message_id = $2 AND state || '' = 'dead'",
                )
                .bind(&self.consumer)
                .bind(message_id)
                .execute(connection)
                .await
            })
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Lets the aggregate behind a held dead message go on without it. False when it holds nothing.
    ///
    /// # Errors
    /// [`InboxError::Database`].
    pub async fn discard(&self, message_id: Uuid) -> Result<bool, InboxError> {
        let done = self
            .ask("discard a message", async |connection| {
                sqlx::query(
                    "UPDATE inbox_messages SET holding = false
             WHERE consumer = $1 AND message_id = $2 AND state || '' = 'dead' AND holding",
                )
                .bind(&self.consumer)
                .bind(message_id)
                .execute(connection)
                .await
            })
            .await?;
        Ok(done.rows_affected() == 1)
    }
}

fn read_letter(row: &PgRow) -> Result<Letter, sqlx::Error> {
    Ok(Letter {
        message_id: row.try_get(0)?,
        fence: row.try_get(1)?,
        epoch: row.try_get(2)?,
        subject: row.try_get(3)?,
        headers: serde_json::from_slice(row.try_get(4)?).unwrap_or_default(),
        body: Bytes::from(row.try_get::<Vec<u8>, _>(5)?),
        reason: row.try_get(6)?,
        error: row.try_get(7)?,
        attempts: row.try_get(8)?,
        stream: row.try_get(9)?,
        stream_seq: row.try_get(10)?,
        aggregate_type: row.try_get(11)?,
        aggregate_id: row.try_get(12)?,
        lane: row.try_get(13)?,
        exempt: row.try_get(14)?,
        pos: row.try_get(15)?,
    })
}
