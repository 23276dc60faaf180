//! Handlers tested as they run, against a context's database, without broker, worker and HTTP.
//!
//! The database is made by `sea-mq db provision`; no worker runs on it.

use serde::Serialize;
use serde_json::Value;
use serde_json::value::to_raw_value;
use sqlx::postgres::{PgPoolOptions, PgRow};
use sqlx::{FromRow, PgPool, Row};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::event::Call;

/// Plays the worker of a context: makes the calls that it would make, for [`Handlers`](crate::Handlers) to answer.
#[derive(Debug, Clone)]
pub struct Worker {
    pool: PgPool,
}

/// An event in the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct Emitted {
    /// Its id.
    pub id: Uuid,
    /// `{context}.event.{event_name}.v{version}`.
    pub subject: String,
    /// As the database keeps it.
    pub payload: Value,
    /// With `aggregate_id` it is what events are ordered by.
    pub aggregate_type: Option<String>,
    /// See `aggregate_type`.
    pub aggregate_id: Option<String>,
    /// That of the handled event.
    pub correlation_id: Uuid,
    /// The id of the handled event.
    pub causation_id: Option<Uuid>,
    /// That of the call, when it was valid.
    pub traceparent: Option<String>,
    /// When it happened.
    pub occurred_at: OffsetDateTime,
    /// It is not published before.
    pub publish_after: Option<OffsetDateTime>,
}

impl Worker {
    /// Connects to the context's database as its worker role.
    ///
    /// # Errors
    /// When it cannot be reached, or is no context's.
    pub async fn connect(worker_url: &str) -> sqlx::Result<Self> {
        let pool = PgPoolOptions::new().max_connections(2).connect(worker_url).await?;
        sqlx::query("SELECT FROM inbox_messages LIMIT 0").execute(&pool).await?;
        Ok(Self { pool })
    }

    /// Records a new event and starts its first attempt. What else the call says, such as its aggregate or trace, may
    /// be changed before it is handed over; not its ids.
    ///
    /// # Errors
    /// The database's; [`sqlx::Error::Encode`] when the payload is no JSON or the subject is no event's.
    pub async fn attempt<P: Serialize + ?Sized>(&self, subject: &str, payload: &P) -> sqlx::Result<Call> {
        let payload = to_raw_value(payload).map_err(|error| sqlx::Error::Encode(error.into()))?;
        let (source, event_type, event_version) = parts(subject).ok_or_else(|| {
            sqlx::Error::Encode(format!("{subject} is not {{context}}.event.{{name}}.v{{n}}").into())
        })?;
        let call = Call {
            message_id: Uuid::new_v4(),
            subject: subject.to_owned(),
            event_type: event_type.to_owned(),
            event_version,
            occurred_at: Some(OffsetDateTime::now_utc()),
            correlation_id: Uuid::new_v4(),
            causation_id: None,
            aggregate_type: None,
            aggregate_id: None,
            consumer: format!("testing__from_{source}"),
            attempt: 1,
            fence: 1,
            traceparent: None,
            payload,
        };
        let recording = sqlx::query(RECORD).bind(call.message_id).bind(&call.consumer).bind(subject);
        recording.bind(event_type).bind(event_version).execute(&self.pool).await?;
        Ok(call)
    }

    /// Starts another attempt at the same event: what was started before is outdated, and if it was processed it is
    /// not any more.
    ///
    /// # Errors
    /// The database's; [`sqlx::Error::RowNotFound`] for a call that is not of [`attempt`](Self::attempt).
    pub async fn attempt_again(&self, call: &Call) -> sqlx::Result<Call> {
        let again = sqlx::query_as(START_AGAIN).bind(call.message_id).bind(&call.consumer);
        let (attempt, fence) = again.fetch_one(&self.pool).await?;
        Ok(Call { attempt, fence, ..call.clone() })
    }

    /// Where the inbox stands with a call's event: `running`, or `processed` once it is done.
    ///
    /// # Errors
    /// As [`attempt_again`](Self::attempt_again).
    pub async fn state(&self, call: &Call) -> sqlx::Result<String> {
        sqlx::query_scalar(STATE).bind(call.message_id).bind(&call.consumer).fetch_one(&self.pool).await
    }

    /// The events that a call has caused, in order.
    ///
    /// # Errors
    /// The database's.
    pub async fn emitted(&self, call: &Call) -> sqlx::Result<Vec<Emitted>> {
        sqlx::query_as(EMITTED).bind(call.message_id).fetch_all(&self.pool).await
    }
}

impl FromRow<'_, PgRow> for Emitted {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            subject: row.try_get("subject")?,
            payload: row.try_get("payload")?,
            aggregate_type: row.try_get("aggregate_type")?,
            aggregate_id: row.try_get("aggregate_id")?,
            correlation_id: row.try_get("correlation_id")?,
            causation_id: row.try_get("causation_id")?,
            traceparent: row.try_get("trace_id")?,
            occurred_at: row.try_get("occurred_at")?,
            publish_after: row.try_get("publish_after")?,
        })
    }
}

/// Source, event type and version of a subject.
fn parts(subject: &str) -> Option<(&str, &str, i32)> {
    let (source, rest) = subject.split_once(".event.")?;
    let (event_type, version) = rest.split_once(".v")?;
    Some((source, event_type, version.parse().ok()?))
}

const RECORD: &str = "
    INSERT INTO inbox_messages (message_id, consumer, subject, event_type, event_version, attempts, fence,
                                stream, stream_created_at, stream_seq, headers, body, state, lane)
    VALUES ($1, $2, $3, $4, $5, 1, 1, 'TESTING', '2026-01-01Z', 1, '[]', '{}', 'running', 0)";

const START_AGAIN: &str = "
    UPDATE inbox_messages
    SET state = 'running', attempts = attempts + 1, fence = fence + 1, processed_at = NULL, headers = '[]', body = '{}'
    WHERE message_id = $1 AND consumer = $2
    RETURNING attempts, fence";

const STATE: &str = "SELECT state FROM inbox_messages WHERE message_id = $1 AND consumer = $2";

const EMITTED: &str = "
    SELECT id, subject, payload, aggregate_type, aggregate_id, correlation_id, causation_id, trace_id,
           occurred_at, publish_after
    FROM outbox_events WHERE causation_id = $1 ORDER BY seq";
