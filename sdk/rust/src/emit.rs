//! Events sent in the caller's own transaction.

use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::event::{Event, is_traceparent};

const EMIT: &str = "SELECT outbox_emit($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

/// An event to be sent: it goes out when the transaction commits in which it is put into the outbox, and never when
/// that does not.
///
/// In a handler it is sent by `tx.emit`, which says what caused it; elsewhere by [`send`](Self::send).
#[derive(Debug)]
#[must_use = "an event is sent by tx.emit(…), or by send(…)"]
pub struct Emit {
    subject: String,
    payload: serde_json::Result<Box<RawValue>>,
    aggregate: Option<(String, String)>,
    correlation: Option<Uuid>,
    causation: Option<Uuid>,
    traceparent: Option<String>,
    occurred_at: Option<OffsetDateTime>,
    publish_after: Option<OffsetDateTime>,
    id: Option<Uuid>,
}

impl Emit {
    /// `subject` is `{context}.event.{event_name}.v{version}`; `payload` is anything that is JSON.
    pub fn new<P: Serialize + ?Sized>(subject: impl Into<String>, payload: &P) -> Self {
        Self {
            subject: subject.into(),
            payload: serde_json::value::to_raw_value(payload),
            aggregate: None,
            correlation: None,
            causation: None,
            traceparent: None,
            occurred_at: None,
            publish_after: None,
            id: None,
        }
    }

    /// Events of one aggregate are handled in order. Without it the event is unordered.
    pub fn aggregate(mut self, of_type: impl Into<String>, id: impl ToString) -> Self {
        self.aggregate = Some((of_type.into(), id.to_string()));
        self
    }

    /// What all events of one story share; without it the event begins one, with its own id.
    pub fn correlation(mut self, id: Uuid) -> Self {
        self.correlation = Some(id);
        self
    }

    /// The event that caused this one.
    pub fn causation(mut self, id: Uuid) -> Self {
        self.causation = Some(id);
        self
    }

    /// A W3C trace context; one that is not valid is left out.
    pub fn traceparent(mut self, text: impl Into<String>) -> Self {
        self.traceparent = Some(text.into()).filter(|text| is_traceparent(text));
        self
    }

    /// When it happened; without it now.
    pub fn occurred_at(mut self, at: OffsetDateTime) -> Self {
        self.occurred_at = Some(at);
        self
    }

    /// It is not published before this time; without it at once.
    pub fn publish_after(mut self, at: OffsetDateTime) -> Self {
        self.publish_after = Some(at);
        self
    }

    /// The event's id; without it a new one. The same id twice is a duplicate key.
    pub fn id(mut self, id: Uuid) -> Self {
        self.id = Some(id);
        self
    }

    /// Correlation, causation and trace, as they follow from the event that is handled.
    pub(crate) fn caused_by(mut self, cause: Cause<'_>) -> Self {
        self.correlation = Some(cause.correlation_id);
        self.causation = Some(cause.message_id);
        self.traceparent = cause.traceparent.map(str::to_owned);
        self
    }

    /// Puts the event into the outbox of the transaction that the connection is in, and returns its id.
    ///
    /// # Errors
    /// The database's, with SQLSTATE MQ001 to MQ005 when the outbox refuses the event; [`sqlx::Error::Encode`] when
    /// the payload cannot be written as JSON.
    pub async fn send(self, connection: &mut PgConnection) -> sqlx::Result<Uuid> {
        let payload = self.payload.map_err(|error| sqlx::Error::Encode(error.into()))?;
        let (aggregate_type, aggregate_id) = self.aggregate.unzip();
        sqlx::query_scalar(EMIT)
            .bind(self.subject)
            .bind(Json(payload))
            .bind(aggregate_type)
            .bind(aggregate_id)
            .bind(self.correlation)
            .bind(self.causation)
            .bind(self.occurred_at)
            .bind(self.publish_after)
            .bind(self.traceparent)
            .bind(self.id)
            .fetch_one(connection)
            .await
    }
}

/// What an event says to those that it causes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cause<'e> {
    message_id: Uuid,
    correlation_id: Uuid,
    traceparent: Option<&'e str>,
}

impl<'e> Cause<'e> {
    pub(crate) fn of<P>(event: &'e Event<P>) -> Self {
        Self {
            message_id: event.message_id,
            correlation_id: event.correlation_id,
            traceparent: event.traceparent.as_deref(),
        }
    }
}
