use sea_mq_failpoint::failpoint;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Outbox, OutboxError};

/// One row that the stream has acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct Published {
    /// The event's id.
    pub id: Uuid,
    /// Its sequence in the stream.
    pub stream_seq: i64,
    /// How often it was sent.
    pub attempts: i32,
}

// Rows are found here by their ids, and `state || ''` keeps it so: a plain `state = 'ready'` would
// offer the index of ready rows, which the planner takes for tiny and which, while an old transaction
// is open, is full of dead entries. The LIMIT changes nothing but what the planner expects: few rows,
// so that it searches the primary key for each. Plans are kept while a new table fills up, and one
// that reads the whole of an empty table would be kept as well.
impl Outbox {
    /// Marks rows published that `stream` (created at `incarnation`) has acknowledged.
    ///
    /// Returns how many were not marked before. A row that another instance marked in the meantime
    /// is left as it is.
    ///
    /// # Errors
    /// [`OutboxError::Database`]: the rows stay ready, and will be published again.
    pub async fn mark_published(
        &self,
        stream: &str,
        incarnation: OffsetDateTime,
        rows: &[Published],
    ) -> Result<u64, OutboxError> {
        failpoint!("outbox.mark.before", crate::lost("mark rows published"));
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        let seqs: Vec<i64> = rows.iter().map(|row| row.stream_seq).collect();
        let attempts: Vec<i32> = rows.iter().map(|row| row.attempts).collect();
        let marked = self
            .ask("mark rows published", async |connection| {
                let done = sqlx::query(
                    "UPDATE outbox_events o
             SET state = 'published', published_at = clock_timestamp(), publish_error = NULL,
                 publish_attempts = publish_attempts + u.attempts,
                 stream = $1, stream_created_at = $2, stream_seq = u.stream_seq
             FROM (SELECT * FROM unnest($3::uuid[], $4::bigint[], $5::integer[]) LIMIT cardinality($3))
                  u (id, stream_seq, attempts)
             WHERE o.id = u.id AND o.state || '' = 'ready'",
                )
                .bind(stream)
                .bind(incarnation)
                .bind(&ids)
                .bind(&seqs)
                .bind(&attempts)
                .execute(connection)
                .await?;
                Ok(done.rows_affected())
            })
            .await?;
        failpoint!("outbox.mark.after", crate::lost("mark rows published"));
        Ok(marked)
    }

    /// Parks a row that the broker refuses for good, with the reason. Its aggregate stops here.
    ///
    /// # Errors
    /// [`OutboxError::Database`]: the row stays ready.
    pub async fn park(&self, id: Uuid, attempts: i32, error: &str) -> Result<(), OutboxError> {
        failpoint!("outbox.park.before", crate::lost("park a row"));
        self.ask("park a row", async |connection| {
            sqlx::query(
                "UPDATE outbox_events
             SET state = 'parked', publish_error = $2, publish_attempts = publish_attempts + $3
             WHERE id = $1 AND state || '' = 'ready'",
            )
            .bind(id)
            .bind(error)
            .bind(attempts)
            .execute(connection)
            .await
        })
        .await?;
        failpoint!("outbox.park.after", crate::lost("park a row"));
        Ok(())
    }

    /// Holds rows that come after a parked one of their aggregate, if it is still parked.
    ///
    /// # Errors
    /// [`OutboxError::Database`]: the rows stay ready.
    pub async fn hold(&self, ids: &[Uuid]) -> Result<(), OutboxError> {
        failpoint!("outbox.hold.before", crate::lost("hold the rows behind a parked one"));
        // Locking the parked row decides the race with its retry: either it is seen parked, and the
        // retry then finds these rows held; or it is not, and they come up again as late rows.
        self.ask("hold the rows behind a parked one", async |connection| { sqlx::query(
            "WITH parked AS (
                 SELECT DISTINCT ON (p.id) p.lane, p.aggregate_id, p.aggregate_type
                 FROM outbox_events o
                 JOIN outbox_events p ON p.state = 'parked' AND p.lane = o.lane
                      AND p.aggregate_id = o.aggregate_id AND p.aggregate_type IS NOT DISTINCT FROM o.aggregate_type
                 WHERE o.id = ANY ($1)),
             locked AS (
                 SELECT p.lane, p.aggregate_id, p.aggregate_type FROM outbox_events p
                 JOIN parked ON p.lane = parked.lane AND p.aggregate_id = parked.aggregate_id
                      AND p.aggregate_type IS NOT DISTINCT FROM parked.aggregate_type
                 WHERE p.state = 'parked'
                 FOR NO KEY UPDATE OF p)
             UPDATE outbox_events o
             SET state = CASE WHEN EXISTS (
                         SELECT FROM locked WHERE locked.aggregate_id = o.aggregate_id
                            AND locked.aggregate_type IS NOT DISTINCT FROM o.aggregate_type)
                     THEN 'held' ELSE 'ready' END,
                 tx = pg_current_xact_id()
             WHERE o.id = ANY ($1) AND o.state || '' = 'ready'",
        )
        .bind(ids)
        .execute(connection)
        .await }).await?;
        failpoint!("outbox.hold.after", crate::lost("hold the rows behind a parked one"));
        Ok(())
    }
}
