//! What keeps order in the database: rows that wait behind others, or for a better moment.
//!
//! A statement may reach the database long after it was decided on, from a process that was frozen
//! meanwhile. So it says in whose name it acts: the instance's row is locked against its burial, and
//! rows of a lane that it does not hold are left alone. A new owner sees all of it or nothing.

use std::time::Duration;

use sea_mq_failpoint::failpoint;
use uuid::Uuid;

use crate::{Inbox, InboxError};

// The lane's lease is asked for row by row: as a join it may come first, and then every row of the
// lane is looked at.
const PUT_BEHIND: &str = "
    WITH alive AS MATERIALIZED (
        SELECT FROM mq_instances WHERE id = $1 FOR KEY SHARE),
    wanted AS MATERIALIZED (SELECT unnest($3::uuid[]) AS message_id LIMIT cardinality($3))
    UPDATE inbox_messages m SET state = 'behind'
    FROM wanted w
    WHERE m.consumer || '' = $2 AND m.message_id = w.message_id AND m.state || '' = 'ready'
      AND EXISTS (SELECT FROM alive)
      AND (SELECT l.holder = $1 FROM mq_leases l WHERE l.role = $4 AND l.lane = m.lane)";

const DEFER: &str = "
    WITH alive AS MATERIALIZED (
        SELECT FROM mq_instances WHERE id = $1 FOR KEY SHARE),
    wanted AS MATERIALIZED (SELECT unnest($3::uuid[]) AS message_id LIMIT cardinality($3)),
    free AS MATERIALIZED (
        SELECT m.message_id FROM inbox_messages m JOIN wanted w ON w.message_id = m.message_id
        WHERE m.consumer || '' = $2 AND m.state IN ('ready', 'waiting', 'behind')
          AND EXISTS (SELECT FROM alive)
          AND (SELECT l.holder = $1 FROM mq_leases l WHERE l.role = $4 AND l.lane = m.lane)
        FOR NO KEY UPDATE OF m SKIP LOCKED)
    UPDATE inbox_messages m
    SET state = 'waiting', next_attempt_at = clock_timestamp() + make_interval(secs => $5)
    FROM free WHERE m.consumer || '' = $2 AND m.message_id = free.message_id";

const RECALL: &str = "
    WITH alive AS MATERIALIZED (
        SELECT FROM mq_instances WHERE id = $1 FOR KEY SHARE),
    free AS MATERIALIZED (
        SELECT m.message_id FROM inbox_messages m
        WHERE m.consumer = $2 AND m.state = 'waiting' AND ($3::text IS NULL OR m.event_type = $3) AND m.attempts = 0
          AND m.next_attempt_at > now() AND EXISTS (SELECT FROM alive)
          AND (SELECT l.holder = $1 FROM mq_leases l WHERE l.role = $4 AND l.lane = m.lane)
        LIMIT $5
        FOR NO KEY UPDATE OF m SKIP LOCKED)
    UPDATE inbox_messages m SET next_attempt_at = clock_timestamp()
    FROM free WHERE m.consumer || '' = $2 AND m.message_id = free.message_id";

impl Inbox {
    /// Puts ready rows behind their aggregate's head: they no longer count as ready to run.
    ///
    /// # Errors
    /// [`InboxError::Database`]: they may stay ready; the same may be said again.
    pub async fn put_behind(&self, instance: Uuid, messages: &[Uuid]) -> Result<(), InboxError> {
        failpoint!("inbox.put_behind.before", crate::lost("put messages behind their aggregate's head"));
        self.ask("put messages behind their aggregate's head", async |connection| {
            sqlx::query(PUT_BEHIND)
                .bind(instance)
                .bind(&self.consumer)
                .bind(messages)
                .bind(&self.dispatch_role)
                .execute(connection)
                .await
        })
        .await?;
        failpoint!("inbox.put_behind.after", crate::lost("put messages behind their aggregate's head"));
        Ok(())
    }

    /// Lets messages that were not started wait, without counting an attempt.
    ///
    /// # Errors
    /// [`InboxError::Database`]: they may stay as they are; the same may be said again.
    pub async fn defer(&self, instance: Uuid, messages: &[Uuid], delay: Duration) -> Result<(), InboxError> {
        failpoint!("inbox.defer.before", crate::lost("defer messages"));
        self.ask("defer messages", async |connection| {
            sqlx::query(DEFER)
                .bind(instance)
                .bind(&self.consumer)
                .bind(messages)
                .bind(&self.dispatch_role)
                .bind(delay.as_secs_f64())
                .execute(connection)
                .await
        })
        .await?;
        failpoint!("inbox.defer.after", crate::lost("defer messages"));
        Ok(())
    }

    /// Lets deferred messages of an event type, or of any, come up at once, at most `limit` of them;
    /// true when there may be more.
    ///
    /// # Errors
    /// [`InboxError::Database`]: they come up when they are due.
    pub async fn recall(
        &self,
        instance: Uuid,
        event_type: Option<&str>,
        limit: i64,
    ) -> Result<bool, InboxError> {
        failpoint!("inbox.recall.before", crate::lost("recall deferred messages"));
        let done = self
            .ask("recall deferred messages", async |connection| {
                sqlx::query(RECALL)
                    .bind(instance)
                    .bind(&self.consumer)
                    .bind(event_type)
                    .bind(&self.dispatch_role)
                    .bind(limit)
                    .execute(connection)
                    .await
            })
            .await?;
        failpoint!("inbox.recall.after", crate::lost("recall deferred messages"));
        Ok(i64::try_from(done.rows_affected()).is_ok_and(|recalled| recalled >= limit))
    }
}
