use std::time::Duration;

use crate::{Inbox, InboxError};

/// What counts against the two bounds of ingest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowCount {
    /// Recorded and ready to run.
    pub ready: i64,
    /// Waiting for a retry, or behind one.
    pub waiting: i64,
}

/// What is unfinished, by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InboxCounts {
    /// Ready, running or dying.
    pub active: i64,
    /// Waiting or behind.
    pub waiting: i64,
}

// Each lane is counted from its floor on, so that dead index entries of finished rows are not walked.
const WINDOW: &str = "
    SELECT (SELECT count(*) FROM (
                SELECT FROM generate_series(0, 31) l (lane)
                LEFT JOIN mq_positions p ON p.role = $2 AND p.lane = l.lane
                CROSS JOIN LATERAL (
                    SELECT FROM inbox_messages m
                    WHERE m.consumer = $1 AND m.state = 'ready' AND m.lane = l.lane::smallint
                      AND m.pos > coalesce(p.floor, 0)
                    ORDER BY m.pos LIMIT $3) r
                LIMIT $3) ready),
           (SELECT count(*) FROM (
                SELECT FROM inbox_messages m WHERE m.consumer = $1 AND m.state = 'waiting' LIMIT $4) w)
         + (SELECT count(*) FROM (
                SELECT FROM inbox_messages m WHERE m.consumer = $1 AND m.state = 'behind' LIMIT $4) b)";

impl Inbox {
    /// Counts what is recorded and not finished, up to the given bounds.
    ///
    /// # Errors
    /// [`InboxError::Database`].
    pub async fn window(&self, ready_bound: i64, waiting_bound: i64) -> Result<WindowCount, InboxError> {
        let (ready, waiting) = self
            .ask("count its window", async |connection| {
                sqlx::query_as(WINDOW)
                    .bind(&self.consumer)
                    .bind(&self.dispatch_role)
                    .bind(ready_bound)
                    .bind(waiting_bound)
                    .fetch_one(connection)
                    .await
            })
            .await?;
        Ok(WindowCount { ready, waiting })
    }

    /// Counts what is unfinished, up to `bound` of each state.
    ///
    /// # Errors
    /// [`InboxError::Database`].
    pub async fn counts(&self, bound: i64) -> Result<InboxCounts, InboxError> {
        let window = self.window(bound, bound).await?;
        let open: i64 = self
            .ask("be counted", async |connection| {
                sqlx::query_scalar(
                    "SELECT (SELECT count(*) FROM (SELECT FROM inbox_messages
                     WHERE consumer = $1 AND state = 'running' LIMIT $2) r)
                  + (SELECT count(*) FROM (SELECT FROM inbox_messages
                     WHERE consumer = $1 AND state = 'dying' LIMIT $2) d)",
                )
                .bind(&self.consumer)
                .bind(bound)
                .fetch_one(connection)
                .await
            })
            .await?;
        Ok(InboxCounts { active: window.ready + open, waiting: window.waiting })
    }

    /// Deletes finished rows older than the retention, at most `batch`; returns how many.
    ///
    /// # Errors
    /// [`InboxError::Database`].
    pub async fn clean_up(&self, retention: Duration, batch: i32) -> Result<i64, InboxError> {
        self.ask("be cleaned up", async |connection| {
            sqlx::query_scalar("SELECT inbox_cleanup(make_interval(secs => $1), $2)")
                .bind(retention.as_secs_f64())
                .bind(batch)
                .fetch_one(connection)
                .await
        })
        .await
    }
}
