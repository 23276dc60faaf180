//! Events that are made up for the handler.

use bytes::Bytes;
use sea_mq_dispatch::{Call, batched_body, request_body};
use sea_mq_event::{Subject, header};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::ConformError;

/// Kind of the aggregate that every made-up event has one of.
pub(crate) const AGGREGATE: &str = "conform";

/// One attempt of an event.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: Uuid,
    pub(crate) subject: Subject,
    pub(crate) subject_text: String,
    pub(crate) consumer: String,
    pub(crate) correlation: Uuid,
    /// 32 hexadecimal digits.
    pub(crate) trace: String,
    pub(crate) payload: Value,
    pub(crate) attempt: i32,
    pub(crate) fence: i64,
}

impl Message {
    /// A new event in its first attempt.
    pub(crate) fn new(subject: &str, consumer: &str, payload: Value) -> Result<Self, ConformError> {
        let refused = |source| ConformError::Subject { subject: subject.to_owned(), source };
        Ok(Self {
            id: Uuid::new_v4(),
            subject: Subject::parse(subject).map_err(refused)?,
            subject_text: subject.to_owned(),
            consumer: consumer.to_owned(),
            correlation: Uuid::new_v4(),
            trace: Uuid::new_v4().simple().to_string(),
            payload,
            attempt: 1,
            fence: 1,
        })
    }

    /// Its next attempt.
    pub(crate) fn next(&self) -> Self {
        Self { attempt: self.attempt + 1, fence: self.fence + 1, ..self.clone() }
    }

    /// The same at another fence.
    pub(crate) fn at(self, fence: i64) -> Self {
        Self { fence, ..self }
    }

    pub(crate) fn traceparent(&self) -> String {
        format!("00-{}-{}-01", self.trace, &self.id.simple().to_string()[..16])
    }

    /// The headers that it came with.
    pub(crate) fn headers(&self) -> Vec<(String, String)> {
        let now = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
        [
            (header::OCCURRED_AT, now),
            (header::CORRELATION_ID, self.correlation.to_string()),
            (header::CAUSATION_ID, Uuid::new_v4().to_string()),
            (header::AGGREGATE_TYPE, AGGREGATE.to_owned()),
            (header::AGGREGATE_ID, self.id.to_string()),
            (header::TRACEPARENT, self.traceparent()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// The body of a single call.
    pub(crate) fn body(&self) -> Bytes {
        self.written(request_body)
    }

    /// The same as one of a batch.
    pub(crate) fn batched(&self) -> Bytes {
        self.written(batched_body)
    }

    fn written(&self, write: fn(&Call<'_>) -> Result<Bytes, serde_json::Error>) -> Bytes {
        let (headers, payload) = (self.headers(), self.payload.to_string());
        let call = Call {
            message_id: self.id,
            subject: &self.subject_text,
            headers: &headers,
            payload: payload.as_bytes(),
            consumer: &self.consumer,
            attempt: self.attempt,
            fence: self.fence,
        };
        // A payload that was JSON when it was read is JSON now.
        write(&call).unwrap_or_default()
    }
}
