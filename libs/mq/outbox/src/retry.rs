use sea_mq_failpoint::failpoint;
use sqlx::postgres::PgRow;
use sqlx::{Connection, PgConnection, Row};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Outbox, OutboxError};

/// A row that the broker refused for good.
#[derive(Clone, Debug)]
pub struct Parked {
    /// The event's id.
    pub id: Uuid,
    /// Its subject.
    pub subject: String,
    /// Its aggregate, `type/id`.
    pub aggregate: Option<String>,
    /// What the broker said.
    pub error: String,
    /// When it was put into the outbox.
    pub recorded_at: OffsetDateTime,
    /// How many later events of its aggregate it holds back.
    pub holds_back: i64,
}

impl Outbox {
    /// The parked rows, oldest first, at most `limit`.
    ///
    /// # Errors
    /// [`OutboxError::Database`].
    pub async fn parked(&self, limit: i64) -> Result<Vec<Parked>, OutboxError> {
        self.ask("list parked rows", async |connection| {
            let rows = sqlx::query(
            "SELECT p.id, p.subject, coalesce(p.aggregate_type, '') || '/' || p.aggregate_id, p.publish_error,
                    p.recorded_at,
                    (SELECT count(*) FROM outbox_events h WHERE h.state = 'held' AND h.lane = p.lane
                        AND h.aggregate_id = p.aggregate_id
                        AND h.aggregate_type IS NOT DISTINCT FROM p.aggregate_type)
             FROM outbox_events p WHERE p.state = 'parked' ORDER BY p.seq LIMIT $1",
        )
        .bind(limit)
        .fetch_all(connection)
        .await?;
            rows.iter().map(read_parked).collect()
        })
        .await
    }

    /// Puts a parked row and those held behind it back in line. Returns how many rows; 0 = it is
    /// not parked.
    ///
    /// # Errors
    /// [`OutboxError::Database`].
    pub async fn retry(&self, id: Uuid) -> Result<u64, OutboxError> {
        self.ask("retry a parked row", async |connection| {
            // Read committed: the second statement sees what was being held while the first waited.
            let mut transaction = connection.begin().await?;
            // The new `tx` is what tells the lane's owner that a row below its cursor is back.
            let head = sqlx::query(
                "UPDATE outbox_events SET state = 'ready', publish_error = NULL, tx = pg_current_xact_id()
                 WHERE id = $1 AND state = 'parked'",
            )
            .bind(id)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
            failpoint!("outbox.retry.between", sqlx::Error::Io(sea_mq_failpoint::lost_connection()));
            let held = if head == 0 { 0 } else { release_unheld(&mut transaction).await? };
            transaction.commit().await?;
            Ok(head + held)
        })
        .await
    }

    /// Puts held rows back in line whose aggregate has no parked row any more. Returns how many.
    ///
    /// The publisher calls it now and then, for rows that were held while their head was retried.
    ///
    /// # Errors
    /// [`OutboxError::Database`].
    pub async fn release_unheld(&self) -> Result<u64, OutboxError> {
        self.ask("release held rows", release_unheld).await
    }
}

fn read_parked(row: &PgRow) -> Result<Parked, sqlx::Error> {
    Ok(Parked {
        id: row.try_get(0)?,
        subject: row.try_get(1)?,
        aggregate: row.try_get(2)?,
        error: row.try_get(3)?,
        recorded_at: row.try_get(4)?,
        holds_back: row.try_get(5)?,
    })
}

async fn release_unheld(connection: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE outbox_events o SET state = 'ready', tx = pg_current_xact_id()
         WHERE o.state = 'held' AND NOT EXISTS (
             SELECT FROM outbox_events p WHERE p.state = 'parked' AND p.lane = o.lane
                AND p.aggregate_id = o.aggregate_id AND p.aggregate_type IS NOT DISTINCT FROM o.aggregate_type)",
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
