use bytes::Bytes;
use sea_mq_failpoint::failpoint;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::{Headers, Inbox, InboxError};

/// One started attempt: all that a call needs.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The message.
    pub message_id: Uuid,
    /// The attempt's fence.
    pub fence: i64,
    /// Attempts so far, this one included.
    pub attempts: i32,
    /// Its subject.
    pub subject: String,
    /// Event name.
    pub event_type: Option<String>,
    /// Contract version.
    pub event_version: Option<i32>,
    /// Aggregate kind.
    pub aggregate_type: Option<String>,
    /// Aggregate identity.
    pub aggregate_id: Option<String>,
    /// Its headers as received.
    pub headers: Headers,
    /// The body as received.
    pub body: Bytes,
}

// A row that a handler's transaction holds is skipped, never waited for. The instance's row is
// locked against its burial, so that a new owner of the lane sees either this attempt or none. The
// lane's lease is asked for row by row: as a join it may come first, and then every row of the lane
// is looked at.
const START: &str = "
    WITH alive AS MATERIALIZED (
        SELECT FROM mq_instances WHERE id = $1 FOR KEY SHARE),
    wanted AS MATERIALIZED (SELECT unnest($3::uuid[]) AS message_id LIMIT cardinality($3)),
    free AS MATERIALIZED (
        SELECT m.ctid AS place FROM inbox_messages m JOIN wanted w ON w.message_id = m.message_id
        WHERE m.consumer || '' = $2 AND m.state IN ('ready', 'waiting', 'behind')
          AND EXISTS (SELECT FROM alive)
          AND (SELECT l.holder = $1 FROM mq_leases l WHERE l.role = $4 AND l.lane = m.lane)
        FOR NO KEY UPDATE OF m SKIP LOCKED)
    UPDATE inbox_messages m
    SET state = 'running', fence = m.fence + 1, attempts = m.attempts + 1, next_attempt_at = NULL
    FROM free WHERE m.ctid = free.place
    RETURNING m.message_id, m.fence, m.attempts, m.subject, m.event_type, m.event_version,
              m.aggregate_type, m.aggregate_id, m.headers, m.body";

impl Inbox {
    /// Starts attempts: fence + 1, attempts + 1, committed before the call. A message that is held
    /// by a handler's transaction, or is no longer to be run, is left out of the answer.
    ///
    /// # Errors
    /// [`InboxError::Database`]: the attempts may or may not have been started.
    pub async fn start(&self, instance: Uuid, messages: &[Uuid]) -> Result<Vec<Attempt>, InboxError> {
        failpoint!("inbox.start.before", crate::lost("start attempts"));
        let attempts = self
            .ask("start attempts", async |connection| {
                let rows = sqlx::query(START)
                    .bind(instance)
                    .bind(&self.consumer)
                    .bind(messages)
                    .bind(&self.dispatch_role)
                    .fetch_all(connection)
                    .await?;
                rows.iter().map(read_attempt).collect()
            })
            .await?;
        failpoint!("inbox.start.after", crate::lost("start attempts"));
        Ok(attempts)
    }
}

fn read_attempt(row: &PgRow) -> Result<Attempt, sqlx::Error> {
    Ok(Attempt {
        message_id: row.try_get(0)?,
        fence: row.try_get(1)?,
        attempts: row.try_get(2)?,
        subject: row.try_get(3)?,
        event_type: row.try_get(4)?,
        event_version: row.try_get(5)?,
        aggregate_type: row.try_get(6)?,
        aggregate_id: row.try_get(7)?,
        headers: serde_json::from_slice(row.try_get(8)?).unwrap_or_default(),
        body: Bytes::from(row.try_get::<Vec<u8>, _>(9)?),
    })
}
