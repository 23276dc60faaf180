use bytes::Bytes;
use sea_mq_event::{Subject, header};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

/// One attempt, as the handler is told of it.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// The message.
    pub message_id: Uuid,
    /// Its subject.
    pub subject: &'a str,
    /// Its headers as received.
    pub headers: &'a [(String, String)],
    /// Its body: JSON.
    pub payload: &'a [u8],
    /// The durable's name.
    pub consumer: &'a str,
    /// Attempts so far, this one included.
    pub attempt: i32,
    /// The attempt's fence.
    pub fence: i64,
}

#[derive(Serialize)]
struct Request<'a> {
    message_id: Uuid,
    subject: &'a str,
    event_type: &'a str,
    event_version: i32,
    occurred_at: Option<&'a str>,
    correlation_id: Uuid,
    causation_id: Option<Uuid>,
    aggregate_type: Option<&'a str>,
    aggregate_id: Option<&'a str>,
    consumer: &'a str,
    attempt: i32,
    fence: i64,
    /// Said in a batch only: a single call has it as a header.
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<Option<&'a str>>,
    payload: &'a RawValue,
}

impl<'a> Call<'a> {
    /// The first header of that name, compared without case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn uuid(&self, name: &str) -> Option<Uuid> {
        self.header(name).and_then(|text| Uuid::try_parse(text).ok())
    }
}

/// The JSON body of `POST {HANDLER_URL}`.
///
/// # Errors
/// When the payload is not JSON: such a message is recorded as malformed and never called for.
pub fn request_body(call: &Call<'_>) -> Result<Bytes, serde_json::Error> {
    body(call, None)
}

/// The same as one of the calls of a batch, which says its `traceparent` itself.
///
/// # Errors
/// As [`request_body`].
pub fn batched_body(call: &Call<'_>) -> Result<Bytes, serde_json::Error> {
    body(call, Some(call.header(header::TRACEPARENT)))
}

fn body(call: &Call<'_>, traceparent: Option<Option<&str>>) -> Result<Bytes, serde_json::Error> {
    let subject = Subject::parse(call.subject).ok();
    let parsed = subject.as_ref();
    let version = call.header(header::EVENT_VERSION).and_then(|v| v.parse().ok());
    let request = Request {
        message_id: call.message_id,
        subject: call.subject,
        event_type: parsed
            .map(Subject::event_type)
            .or_else(|| call.header(header::EVENT_TYPE))
            .unwrap_or(call.subject),
        event_version: parsed.map(Subject::version).or(version).unwrap_or(1),
        occurred_at: call.header(header::OCCURRED_AT),
        correlation_id: call.uuid(header::CORRELATION_ID).unwrap_or(call.message_id),
        causation_id: call.uuid(header::CAUSATION_ID),
        aggregate_type: call.header(header::AGGREGATE_TYPE),
        aggregate_id: call.header(header::AGGREGATE_ID),
        consumer: call.consumer,
        attempt: call.attempt,
        fence: call.fence,
        traceparent,
        payload: serde_json::from_slice(call.payload)?,
    };
    serde_json::to_vec(&request).map(Bytes::from)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use uuid::Uuid;

    use super::{Call, batched_body, request_body};

    #[test]
    fn carries_the_event_whole() {
        let id = Uuid::from_u128(1);
        let headers: Vec<(String, String)> = [
            ("X-Occurred-At", "2026-01-02T03:04:05Z"),
            ("x-correlation-id", "00000000-0000-0000-0000-000000000009"),
            ("X-Aggregate-Id", "a-1"),
        ]
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .to_vec();
        let call = Call {
            message_id: id,
            subject: "vibespro.event.vibe_created.v2",
            headers: &headers,
            payload: b"{\"n\": 1.0000000000000000001}",
            consumer: "sea__from_vibespro",
            attempt: 2,
            fence: 3,
        };
        let body = request_body(&call).unwrap();
        let text = std::str::from_utf8(&body).unwrap();
        // The payload goes through byte by byte: no number is rounded on the way.
        assert!(text.contains("1.0000000000000000001"), "{text}");
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(json["event_type"], "vibe_created");
        assert_eq!(json["event_version"], 2);
        assert_eq!(json["correlation_id"], "00000000-0000-0000-0000-000000000009");
        assert_eq!(json["causation_id"], serde_json::Value::Null);
        assert_eq!(json["aggregate_id"], "a-1");
        assert!(json.get("traceparent").is_none());
        let batched: serde_json::Value = serde_json::from_slice(&batched_body(&call).unwrap()).unwrap();
        assert_eq!(batched["traceparent"], serde_json::Value::Null);
        assert_eq!(batched["message_id"], json["message_id"]);
        assert_eq!((json["attempt"].as_i64(), json["fence"].as_i64()), (Some(2), Some(3)));
    }

    #[test]
    fn a_payload_that_is_not_json_is_an_error() {
        let call = Call {
            message_id: Uuid::nil(),
            subject: "s",
            headers: &[],
            payload: b"{",
            consumer: "c",
            attempt: 1,
            fence: 1,
        };
        assert!(request_body(&call).is_err());
    }
}
