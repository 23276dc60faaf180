use std::time::Duration;

use sqlx::Row;

use crate::{Outbox, OutboxError};

/// How much waits in the outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Backlog {
    /// Ready and held rows, counted up to the bound.
    pub unpublished: i64,
    /// Parked rows.
    pub parked: i64,
    /// Age of the oldest ready row, from its schedule or its recording.
    pub oldest_age: Duration,
}

impl Outbox {
    /// Counts what waits, up to `bound` rows of each kind.
    ///
    /// # Errors
    /// [`OutboxError::Database`].
    pub async fn backlog(&self, bound: i64) -> Result<Backlog, OutboxError> {
        self.ask("be counted", async |connection| {
            let row = sqlx::query(
                "SELECT (SELECT count(*) FROM (SELECT FROM outbox_events WHERE state = 'ready' LIMIT $1) r)
                  + (SELECT count(*) FROM (SELECT FROM outbox_events WHERE state = 'held' LIMIT $1) h),
                    (SELECT count(*) FROM (SELECT FROM outbox_events WHERE state = 'parked' LIMIT $1) p),
                    coalesce(extract(epoch FROM clock_timestamp() - (
                        SELECT min(since) FROM (
                            SELECT (SELECT coalesce(publish_after, recorded_at) FROM outbox_events o
                                    WHERE o.state = 'ready' AND o.lane = l.lane::smallint
                                    ORDER BY o.seq LIMIT 1) AS since
                            FROM generate_series(0, 31) l (lane)) firsts))::float8, 0)",
            )
            .bind(bound)
            .fetch_one(connection)
            .await?;
            Ok(Backlog {
                unpublished: row.try_get(0)?,
                parked: row.try_get(1)?,
                oldest_age: Duration::from_secs_f64(row.try_get::<f64, _>(2)?.max(0.0)),
            })
        })
        .await
    }

    /// Deletes published rows older than the retention, at most `batch`; returns how many.
    ///
    /// # Errors
    /// [`OutboxError::Database`].
    pub async fn clean_up(&self, retention: Duration, batch: i32) -> Result<i64, OutboxError> {
        self.ask("be cleaned up", async |connection| {
            sqlx::query_scalar("SELECT outbox_cleanup(make_interval(secs => $1), $2)")
                .bind(retention.as_secs_f64())
                .bind(batch)
                .fetch_one(connection)
                .await
        })
        .await
    }
}
