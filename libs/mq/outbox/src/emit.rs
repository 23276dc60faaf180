use sea_mq_database::in_time;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::OutboxError;

/// An event to put into the outbox. Only `id`, `subject` and `payload` are needed.
#[derive(Clone, Debug, Default)]
pub struct NewEvent {
    /// Its id, chosen by the application: the key of deduplication everywhere.
    pub id: Uuid,
    /// `{context}.event.{event_name}.v{version}` of the own context.
    pub subject: String,
    /// The payload, nothing around it.
    pub payload: serde_json::Value,
    /// Aggregate kind.
    pub aggregate_type: Option<String>,
    /// Aggregate identity; without it the event is unordered.
    pub aggregate_id: Option<String>,
    /// The chain's start; without it the event starts one.
    pub correlation_id: Option<Uuid>,
    /// The causing event.
    pub causation_id: Option<Uuid>,
    /// When it happened; now, when absent.
    pub occurred_at: Option<OffsetDateTime>,
    /// Not to be published before.
    pub publish_after: Option<OffsetDateTime>,
    /// W3C traceparent.
    pub trace_id: Option<String>,
}

/// Puts an event into the outbox in the caller's transaction.
///
/// # Errors
/// [`OutboxError::Database`]: what the schema refuses (codes `MQ001` to `MQ005`) aborts the
/// caller's transaction. [`OutboxError::NoAnswer`]: the connection has to be closed, and with it
/// the transaction ends.
pub async fn emit(transaction: &mut PgConnection, event: &NewEvent) -> Result<(), OutboxError> {
    let emitted = sqlx::query("SELECT outbox_emit($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
        .bind(&event.subject)
        .bind(&event.payload)
        .bind(&event.aggregate_type)
        .bind(&event.aggregate_id)
        .bind(event.correlation_id)
        .bind(event.causation_id)
        .bind(event.occurred_at)
        .bind(event.publish_after)
        .bind(&event.trace_id)
        .bind(event.id)
        .execute(transaction);
    in_time(emitted).await.map_err(|why| OutboxError::during("take an event", why))?;
    Ok(())
}
