use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::{Outbox, OutboxError, ROLE};

/// Where the next owner of a lane may begin to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The lane.
    pub lane: i16,
    /// No row at or below it was ready in `snapshot`.
    pub floor: i64,
    /// The snapshot that the floor is true for.
    pub snapshot: Option<String>,
}

impl Outbox {
    /// The positions kept for the given lanes; a lane without one is absent.
    ///
    /// # Errors
    /// [`OutboxError::Database`].
    pub async fn positions(&self, lanes: &[i16]) -> Result<Vec<Position>, OutboxError> {
        self.ask("read positions", async |connection| {
            let rows = sqlx::query(
                "SELECT lane, floor, snapshot::text FROM mq_positions WHERE role = $1 AND lane = ANY ($2)",
            )
            .bind(ROLE)
            .bind(lanes)
            .fetch_all(connection)
            .await?;
            let read = |row: &PgRow| {
                Ok(Position { lane: row.try_get(0)?, floor: row.try_get(1)?, snapshot: row.try_get(2)? })
            };
            rows.iter().map(read).collect()
        })
        .await
    }

    /// Keeps floors with the snapshot that they are true for.
    ///
    /// # Errors
    /// [`OutboxError::Database`]: the older positions stay, and are as true as before.
    pub async fn save_positions(&self, floors: &[(i16, i64)], snapshot: &str) -> Result<(), OutboxError> {
        let (lanes, values): (Vec<i16>, Vec<i64>) = floors.iter().copied().unzip();
        self.ask("keep positions", async |connection| {
            sqlx::query(
            "INSERT INTO mq_positions (role, lane, floor, snapshot)
             SELECT $1, u.lane, u.floor, $4::pg_snapshot FROM unnest($2::smallint[], $3::bigint[]) u (lane, floor)
             ON CONFLICT (role, lane) DO UPDATE SET floor = excluded.floor, snapshot = excluded.snapshot",
        )
        .bind(ROLE)
        .bind(&lanes)
        .bind(&values)
        .bind(snapshot)
        .execute(connection)
        .await.map(drop)
        }).await
    }

    /// The lowest ready sequence of one lane, wherever the cursor is: the safety net that finds
    /// rows which came back in a way that no look announces, such as a restored backup.
    ///
    /// # Errors
    /// [`OutboxError::Database`].
    pub async fn lowest_ready(&self, lane: i16) -> Result<Option<i64>, OutboxError> {
        self.ask("be swept", async |connection| {
            sqlx::query_scalar(
                "SELECT seq FROM outbox_events WHERE state = 'ready' AND lane = $1 ORDER BY seq LIMIT 1",
            )
            .bind(lane)
            .fetch_optional(connection)
            .await
        })
        .await
    }
}
