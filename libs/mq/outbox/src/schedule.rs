use sea_mq_failpoint::failpoint;

use crate::{Outbox, OutboxError};

impl Outbox {
    /// Lets scheduled rows of the given lanes that are due join their aggregates' order, in the
    /// order of their schedule; at most `limit`. Returns how many.
    ///
    /// # Errors
    /// [`OutboxError::Database`]: they stay scheduled.
    pub async fn promote_due(&self, lanes: &[i16], limit: i64) -> Result<u64, OutboxError> {
        failpoint!("outbox.promote.before", crate::lost("promote scheduled rows"));
        // A new sequence: its place in the order is now, not when it was planned.
        let promoted = self
            .ask("promote scheduled rows", async |connection| {
                let done = sqlx::query(
                    "WITH due AS MATERIALIZED (
                 SELECT id, publish_after, seq FROM outbox_events
                 WHERE state = 'scheduled' AND publish_after <= clock_timestamp() AND lane = ANY ($1)
                 ORDER BY publish_after LIMIT $2
                 FOR NO KEY UPDATE SKIP LOCKED),
             placed AS MATERIALIZED (
                 SELECT id, nextval('outbox_events_seq_seq') AS seq
                 FROM (SELECT id FROM due ORDER BY publish_after, seq) ordered)
             UPDATE outbox_events o SET state = 'ready', seq = placed.seq, tx = pg_current_xact_id()
             FROM placed WHERE o.id = placed.id",
                )
                .bind(lanes)
                .bind(limit)
                .execute(connection)
                .await?;
                Ok(done.rows_affected())
            })
            .await?;
        failpoint!("outbox.promote.after", crate::lost("promote scheduled rows"));
        Ok(promoted)
    }
}
