use std::time::Instant;

use serde::Deserialize;
use uuid::Uuid;

/// One call, as the worker sent it.
#[derive(Clone, Debug, Deserialize)]
pub struct Call {
    /// The event.
    pub message_id: Uuid,
    /// Its subject.
    pub subject: String,
    /// Its name.
    pub event_type: String,
    /// Its contract's version.
    pub event_version: i32,
    /// When it happened, RFC 3339.
    pub occurred_at: Option<String>,
    /// Its chain.
    pub correlation_id: Uuid,
    /// Its cause.
    pub causation_id: Option<Uuid>,
    /// Aggregate kind.
    pub aggregate_type: Option<String>,
    /// Aggregate identity.
    pub aggregate_id: Option<String>,
    /// The durable's name.
    pub consumer: String,
    /// Attempts so far, this one included.
    pub attempt: i32,
    /// The attempt's fence.
    pub fence: i64,
    /// The payload.
    pub payload: serde_json::Value,
    /// How many events came in the same call.
    #[serde(skip)]
    pub together: usize,
}

/// One call that arrived.
#[derive(Clone, Debug)]
pub struct CallRecord {
    /// What was sent.
    pub call: Call,
    /// When it arrived.
    pub started: Instant,
    /// When it was answered or broken off; `None` while it hangs.
    pub ended: Option<Instant>,
}
