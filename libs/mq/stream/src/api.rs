use std::time::Duration;

use async_nats::StatusCode;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::broker::Broker;
use crate::error::{DENIED_REMEDY, StreamError};
use crate::replies::Answer;

/// How long JetStream's API may take to answer: longer than an election of a new leader.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Error numbers of JetStream (`server/errors.json`) that mean something here.
pub(crate) mod code {
    pub(crate) const CONSUMER_NOT_FOUND: u16 = 10014;
    pub(crate) const NO_MESSAGE_FOUND: u16 = 10037;
    pub(crate) const STREAM_NOT_FOUND: u16 = 10059;
    pub(crate) const INSUFFICIENT_RESOURCES: u16 = 10023;
    pub(crate) const STORAGE_EXCEEDED: u16 = 10047;
    pub(crate) const ACCOUNT_EXCEEDED: u16 = 10002;
    pub(crate) const MEMORY_EXCEEDED: u16 = 10028;
    pub(crate) const NO_SUITABLE_PEERS: u16 = 10005;
    pub(crate) const REPLICAS_NOT_SUPPORTED: u16 = 10074;
    pub(crate) const SUBJECT_OVERLAP: u16 = 10065;
    pub(crate) const NOT_ENABLED: u16 = 10076;
    pub(crate) const NOT_ENABLED_FOR_ACCOUNT: u16 = 10039;
}

/// An error that JetStream itself answered with.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ApiError {
    #[serde(default)]
    pub(crate) code: u16,
    #[serde(default)]
    pub(crate) err_code: u16,
    #[serde(default)]
    pub(crate) description: String,
}

/// Why a call brought no result.
#[derive(Debug)]
pub(crate) enum CallError {
    Disconnected,
    Timeout(Duration),
    NoResponders,
    Denied { subject: String },
    Api(ApiError),
    Unreadable(String),
    Unsendable(String),
}

#[derive(Deserialize)]
struct MaybeError {
    error: Option<ApiError>,
}

impl Broker {
    /// Calls JetStream's API: `verb` is the subject below the API's prefix.
    pub(crate) async fn call<T: DeserializeOwned>(&self, verb: &str, body: &Value) -> Result<T, CallError> {
        let subject = format!("{}.{verb}", self.inner.api_prefix);
        let reply = self.request(subject, Bytes::from(body.to_string())).await?;
        read_answer(&reply)
    }

    async fn request(&self, subject: String, payload: Bytes) -> Result<Bytes, CallError> {
        if !self.is_connected() {
            return Err(CallError::Disconnected);
        }
        let exchange = async {
            let mut ticket = self.inner.replies.expect(subject.as_str().into());
            let sent = self.inner.client.publish_with_reply(subject.clone(), ticket.inbox(), payload);
            sent.await.map_err(|error| CallError::Unsendable(error.to_string()))?;
            match ticket.answer().await {
                Answer::Reply(reply) if reply.status == Some(StatusCode::NO_RESPONDERS) => {
                    Err(CallError::NoResponders)
                }
                Answer::Reply(reply) => Ok(reply.payload),
                Answer::Denied(denial) => Err(CallError::Denied { subject: denial.subject }),
                Answer::Lost => Err(CallError::Disconnected),
            }
        };
        let answer = tokio::time::timeout(CALL_TIMEOUT, exchange).await;
        answer.unwrap_or(Err(CallError::Timeout(CALL_TIMEOUT)))
    }
}

fn read_answer<T: DeserializeOwned>(payload: &[u8]) -> Result<T, CallError> {
    let unreadable = |error: serde_json::Error| CallError::Unreadable(error.to_string());
    let maybe: MaybeError = serde_json::from_slice(payload).map_err(unreadable)?;
    match maybe.error {
        Some(error) => Err(CallError::Api(error)),
        None => serde_json::from_slice(payload).map_err(unreadable),
    }
}

impl CallError {
    /// Explains a call that was about a stream.
    pub(crate) fn on_stream(self, doing: String, stream: &str) -> StreamError {
        match self {
            Self::Api(error) if error.err_code == code::STREAM_NOT_FOUND => {
                StreamError::StreamMissing { doing, stream: stream.to_owned() }
            }
            Self::Api(_)
            | Self::Disconnected
            | Self::Timeout(_)
            | Self::NoResponders
            | Self::Denied { .. }
            | Self::Unreadable(_)
            | Self::Unsendable(_) => self.explain(doing),
        }
    }

    /// Explains a call that was about a consumer.
    pub(crate) fn on_consumer(self, doing: String, stream: &str, durable: &str) -> StreamError {
        match self {
            Self::Api(error) if error.err_code == code::CONSUMER_NOT_FOUND => {
                StreamError::ConsumerMissing { doing, stream: stream.to_owned(), durable: durable.to_owned() }
            }
            Self::Api(_)
            | Self::Disconnected
            | Self::Timeout(_)
            | Self::NoResponders
            | Self::Denied { .. }
            | Self::Unreadable(_)
            | Self::Unsendable(_) => self.on_stream(doing, stream),
        }
    }

    /// Explains a call that was about neither.
    pub(crate) fn explain(self, doing: String) -> StreamError {
        match self {
            Self::Disconnected => StreamError::Disconnected { doing },
            Self::Timeout(after) => StreamError::Timeout { doing, after },
            Self::NoResponders => StreamError::NoResponders { doing },
            Self::Denied { subject } => {
                StreamError::Denied { doing, subject, remedy: DENIED_REMEDY.to_owned() }
            }
            Self::Api(ApiError { code, err_code, description }) => {
                StreamError::Api { doing, code, err_code, description, hint: hint(err_code) }
            }
            Self::Unreadable(reason) => StreamError::Unreadable { doing, reason },
            Self::Unsendable(reason) => StreamError::Unsendable { doing, reason },
        }
    }
}

/// What to do about an error of JetStream.
fn hint(err_code: u16) -> &'static str {
    match err_code {
        code::STORAGE_EXCEEDED
        | code::INSUFFICIENT_RESOURCES
        | code::ACCOUNT_EXCEEDED
        | code::MEMORY_EXCEEDED => {
            "; the servers must hold the sum of the max_bytes of all streams: raise max_file_store, or declare a smaller max_bytes"
        }
        code::NO_SUITABLE_PEERS | code::REPLICAS_NOT_SUPPORTED => {
            "; there are fewer JetStream servers than replicas: set STREAM_REPLICAS to at most their number"
        }
        code::SUBJECT_OVERLAP => "; another stream already stores these subjects: see `sea-mq topology plan`",
        code::NOT_ENABLED | code::NOT_ENABLED_FOR_ACCOUNT => "; enable JetStream for this account",
        _other => "",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{CallError, read_answer};
    use crate::error::StreamError;

    #[test]
    fn an_error_is_told_from_a_result() {
        let missing =
            br#"{"type":"x","error":{"code":404,"err_code":10059,"description":"stream not found"}}"#;
        let answer = read_answer::<Value>(missing);
        assert!(matches!(&answer, Err(CallError::Api(error)) if error.err_code == 10059), "{answer:?}");
        assert!(read_answer::<Value>(br#"{"type":"x","config":{}}"#).is_ok());
        assert!(matches!(read_answer::<Value>(b"<html>"), Err(CallError::Unreadable(_))));
    }

    #[test]
    fn a_denial_says_who_must_do_what() {
        let denied = CallError::Denied { subject: "$JS.API.STREAM.CREATE.X".to_owned() };
        let error = denied.on_consumer("creating".to_owned(), "X", "y");
        assert!(matches!(error, StreamError::Denied { .. }), "{error}");
        assert!(error.to_string().contains("sea-mq topology apply"), "{error}");
    }
}
