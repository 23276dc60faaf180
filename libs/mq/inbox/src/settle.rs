use std::time::Duration;

use sea_mq_failpoint::failpoint;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::{Inbox, InboxError};

/// A success to settle: it counts whichever attempt it answers.
#[derive(Clone, Copy, Debug)]
pub struct Processed {
    /// The message.
    pub message_id: Uuid,
}

/// A failure to settle: it counts only while its attempt is the current one.
#[derive(Clone, Debug)]
pub struct Retry {
    /// The message.
    pub message_id: Uuid,
    /// The attempt's fence.
    pub fence: i64,
    /// When to try again, from now.
    pub delay: Duration,
    /// What went wrong; `None` keeps the last error.
    pub error: Option<String>,
    /// It ended without an answer: next to be called alone.
    pub suspect: bool,
    /// The handler was never reached: the attempt is not counted.
    pub give_back: bool,
}

/// An attempt after which the consumer gives up.
#[derive(Clone, Debug)]
pub struct GivenUp {
    /// The message.
    pub message_id: Uuid,
    /// The attempt's fence.
    pub fence: i64,
    /// `poison`, `max_deliver`, `contract`, …
    pub reason: &'static str,
    /// What the handler said last.
    pub error: String,
}

/// What became of one settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Written.
    Done,
    /// The message turned out to be processed: nothing else is to be done for it.
    AlreadyProcessed,
    /// A later attempt or another instance has moved it on: this answer no longer counts.
    Outdated,
    /// A handler's transaction holds the row: to be tried again.
    Held,
}

// Rows are found by their ids, and everything else is written so that no plan can find them otherwise,
// here and in the other statements that take ids. Plans are kept while a new table fills up, and are
// made anew when few rows are ready or running; both times the planner takes every index for tiny.
// - The LIMIT makes it expect few rows, so that it searches the primary key for each.
// - `consumer || ''`: a plain condition would offer a walk over the whole primary key.
// - `state || ''`: a plain condition would offer the index of rows in that state, which is full of
//   dead entries while an old transaction is open.
// - What is locked is written at its place (`ctid`), which the lock keeps; and what was not written is
//   told apart by a hashed IN. Joining lists of ids would take the square of their length.
const PROCESSED: &str = "
    WITH wanted AS MATERIALIZED (
        SELECT DISTINCT w.message_id FROM (SELECT unnest($2::uuid[]) LIMIT cardinality($2)) w (message_id)),
    free AS MATERIALIZED (
        SELECT m.ctid AS place FROM inbox_messages m JOIN wanted w ON w.message_id = m.message_id
        WHERE m.consumer || '' = $1 AND m.state <> 'processed'
        FOR NO KEY UPDATE OF m SKIP LOCKED),
    done AS (
        UPDATE inbox_messages m
        SET state = 'processed', processed_at = clock_timestamp(), next_attempt_at = NULL, last_error = NULL,
            suspect = false, holding = false, headers = NULL, body = NULL
        FROM free WHERE m.ctid = free.place
        RETURNING m.message_id)
    SELECT message_id, true, false, false FROM done
    UNION ALL
    SELECT w.message_id, false, m.state = 'processed', m.message_id IS NOT NULL
    FROM wanted w
    LEFT JOIN inbox_messages m ON m.consumer || '' = $1 AND m.message_id = w.message_id
    WHERE w.message_id NOT IN (SELECT message_id FROM done)";

const RETRY: &str = "
    WITH wanted AS MATERIALIZED (
        SELECT * FROM unnest($2::uuid[], $3::bigint[], $4::float8[], $5::text[], $6::boolean[], $7::boolean[])
            w (message_id, fence, delay, error, suspect, give_back)
        LIMIT cardinality($2)),
    free AS MATERIALIZED (
        SELECT m.ctid AS place, w.delay, w.error, w.suspect, w.give_back
        FROM inbox_messages m JOIN wanted w ON w.message_id = m.message_id
        WHERE m.consumer || '' = $1 AND m.state || '' = 'running' AND m.fence = w.fence
        FOR NO KEY UPDATE OF m SKIP LOCKED),
    done AS (
        UPDATE inbox_messages m
        SET state = 'waiting', next_attempt_at = clock_timestamp() + make_interval(secs => free.delay),
            last_error = coalesce(free.error, m.last_error),
            suspect = CASE WHEN free.give_back THEN m.suspect ELSE free.suspect END,
            attempts = m.attempts - free.give_back::integer
        FROM free WHERE m.ctid = free.place
        RETURNING m.message_id)
    SELECT message_id, true, false, false FROM done
    UNION ALL
    SELECT w.message_id, false, m.state = 'processed', m.state = 'running' AND m.fence = w.fence
    FROM wanted w
    LEFT JOIN inbox_messages m ON m.consumer || '' = $1 AND m.message_id = w.message_id
    WHERE w.message_id NOT IN (SELECT message_id FROM done)";

// Raising the fence shuts out every attempt that still runs: from here on the message is processed
// only if it already was.
const GIVE_UP: &str = "
    WITH wanted AS MATERIALIZED (
        SELECT * FROM unnest($2::uuid[], $3::bigint[], $4::text[], $5::text[]) w (message_id, fence, reason, error)
        LIMIT cardinality($2)),
    free AS MATERIALIZED (
        SELECT m.ctid AS place, w.reason, w.error
        FROM inbox_messages m JOIN wanted w ON w.message_id = m.message_id
        WHERE m.consumer || '' = $1 AND m.state || '' = 'running' AND m.fence = w.fence
        FOR NO KEY UPDATE OF m SKIP LOCKED),
    done AS (
        UPDATE inbox_messages m
        SET state = 'dying', fence = m.fence + 1, dead_reason = free.reason, last_error = free.error, suspect = false
        FROM free WHERE m.ctid = free.place
        RETURNING m.message_id)
    SELECT message_id, true, false, false FROM done
    UNION ALL
    SELECT w.message_id, false, m.state = 'processed', m.state = 'running' AND m.fence = w.fence
    FROM wanted w
    LEFT JOIN inbox_messages m ON m.consumer || '' = $1 AND m.message_id = w.message_id
    WHERE w.message_id NOT IN (SELECT message_id FROM done)";

impl Inbox {
    /// Marks messages processed. Order of the answer is not that of the question.
    ///
    /// # Errors
    /// [`InboxError::Database`]: nothing is known to be written; the same may be said again.
    pub async fn settle_processed(&self, done: &[Processed]) -> Result<Vec<(Uuid, Settled)>, InboxError> {
        failpoint!("inbox.processed.before", crate::lost("mark messages processed"));
        let ids: Vec<Uuid> = done.iter().map(|d| d.message_id).collect();
        let settled = self
            .ask("mark messages processed", async |connection| {
                let rows =
                    sqlx::query(PROCESSED).bind(&self.consumer).bind(&ids).fetch_all(connection).await?;
                read_settled(&rows)
            })
            .await?;
        failpoint!("inbox.processed.after", crate::lost("mark messages processed"));
        Ok(settled)
    }

    /// Lets messages wait for their next attempt.
    ///
    /// # Errors
    /// [`InboxError::Database`]: as above.
    pub async fn settle_retry(&self, failed: &[Retry]) -> Result<Vec<(Uuid, Settled)>, InboxError> {
        failpoint!("inbox.retry.before", crate::lost("let messages wait"));
        let settled = self
            .ask("let messages wait", async |connection| {
                let rows = sqlx::query(RETRY)
                    .bind(&self.consumer)
                    .bind(column(failed, |r| r.message_id))
                    .bind(column(failed, |r| r.fence))
                    .bind(column(failed, |r| r.delay.as_secs_f64()))
                    .bind(column(failed, |r| r.error.as_deref()))
                    .bind(column(failed, |r| r.suspect))
                    .bind(column(failed, |r| r.give_back))
                    .fetch_all(connection)
                    .await?;
                read_settled(&rows)
            })
            .await?;
        failpoint!("inbox.retry.after", crate::lost("let messages wait"));
        Ok(settled)
    }

    /// Gives messages up: their fence rises, and they are dying until their letter is stored.
    ///
    /// # Errors
    /// [`InboxError::Database`]: as above.
    pub async fn settle_given_up(&self, given_up: &[GivenUp]) -> Result<Vec<(Uuid, Settled)>, InboxError> {
        failpoint!("inbox.give_up.before", crate::lost("give messages up"));
        let settled = self
            .ask("give messages up", async |connection| {
                let rows = sqlx::query(GIVE_UP)
                    .bind(&self.consumer)
                    .bind(column(given_up, |g| g.message_id))
                    .bind(column(given_up, |g| g.fence))
                    .bind(column(given_up, |g| g.reason))
                    .bind(column(given_up, |g| g.error.as_str()))
                    .fetch_all(connection)
                    .await?;
                read_settled(&rows)
            })
            .await?;
        failpoint!("inbox.give_up.after", crate::lost("give messages up"));
        Ok(settled)
    }
}

fn column<'a, S, T>(group: &'a [S], field: impl Fn(&'a S) -> T) -> Vec<T> {
    group.iter().map(field).collect()
}

/// Columns: message, written?, processed before?, still the state that was to be changed?
fn read_settled(rows: &[PgRow]) -> Result<Vec<(Uuid, Settled)>, sqlx::Error> {
    rows.iter()
        .map(|row| {
            let written: bool = row.try_get(1)?;
            let processed: Option<bool> = row.try_get(2)?;
            let unchanged: Option<bool> = row.try_get(3)?;
            Ok((row.try_get(0)?, settled(written, processed == Some(true), unchanged == Some(true))))
        })
        .collect()
}

fn settled(written: bool, processed: bool, unchanged: bool) -> Settled {
    match (written, processed, unchanged) {
        (true, _, _) => Settled::Done,
        (false, true, _) => Settled::AlreadyProcessed,
        (false, false, true) => Settled::Held,
        (false, false, false) => Settled::Outdated,
    }
}
