//! What a handler is called with.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use uuid::Uuid;

/// An event, as a handler gets it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event<P> {
    /// The producer's id of the event: effects elsewhere are keyed by it.
    pub message_id: Uuid,
    /// `{context}.event.{event_type}.v{event_version}`.
    pub subject: String,
    /// Lower snake case, such as `vibe_scored`.
    pub event_type: String,
    /// From 1 on.
    pub event_version: i32,
    /// When it happened, if the event says so.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub occurred_at: Option<OffsetDateTime>,
    /// What all events of one story share.
    pub correlation_id: Uuid,
    /// The event that caused this one.
    pub causation_id: Option<Uuid>,
    /// With `aggregate_id` it is what events are ordered by; both or none.
    pub aggregate_type: Option<String>,
    /// See `aggregate_type`.
    pub aggregate_id: Option<String>,
    /// By which name the inbox knows this consumer.
    pub consumer: String,
    /// Counts from 1, and anew after a redrive.
    pub attempt: i32,
    /// Rises with every attempt.
    pub fence: i64,
    /// The W3C trace context of the call; handlers are given a valid one only.
    #[serde(default)]
    pub traceparent: Option<String>,
    /// As the type says that the handler asked for.
    pub payload: P,
}

/// A worker's call for one attempt at an event, with its payload byte by byte: what [`Handlers`](crate::Handlers)
/// answer. Deserialises from a call's JSON; what a newer worker says beside it is ignored.
pub type Call = Event<Box<RawValue>>;

impl<P> Event<P> {
    /// The same event with another payload.
    pub(crate) fn with<Q>(self, payload: Q) -> Event<Q> {
        Event {
            message_id: self.message_id,
            subject: self.subject,
            event_type: self.event_type,
            event_version: self.event_version,
            occurred_at: self.occurred_at,
            correlation_id: self.correlation_id,
            causation_id: self.causation_id,
            aggregate_type: self.aggregate_type,
            aggregate_id: self.aggregate_id,
            consumer: self.consumer,
            attempt: self.attempt,
            fence: self.fence,
            traceparent: self.traceparent.filter(|text| is_traceparent(text)),
            payload,
        }
    }
}

/// Whether a text is a trace context; anything else does not travel on. Version 00, and what later versions may add.
pub(crate) fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(5, '-').collect();
    let lengths = [2, 32, 16, 2];
    let hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let more = |part: &&str| part.len() <= 100 && part.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    parts.len() >= lengths.len()
        && parts.iter().zip(lengths).all(|(part, length)| part.len() == length && hex(part))
        && parts.get(4).is_none_or(more)
}

#[cfg(test)]
mod tests {
    use super::is_traceparent;

    #[test]
    fn a_trace_context_is_told_from_other_text() {
        let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert!(is_traceparent(valid));
        assert!(is_traceparent(&format!("{valid}-what later versions add")));
        for other in
            ["", "00", &valid[1..], &valid.to_uppercase(), &format!("{valid}-\n"), &format!("{valid}0")]
        {
            assert!(!is_traceparent(other), "{other}");
        }
    }
}
