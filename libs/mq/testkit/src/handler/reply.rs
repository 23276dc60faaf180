//! What is sent back.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::{Response, StatusCode, header};
use serde::Serialize;
use serde_json::{Value, json};

pub(super) type Body = BoxBody<Bytes, Broken>;

/// Ends the connection instead of an answer.
#[derive(Debug, thiserror::Error)]
#[error("the test handler breaks the connection")]
pub(super) struct Broken;

/// The answer to one event.
pub(super) struct Reply {
    pub(super) status: u16,
    /// Seconds.
    pub(super) retry_after: Option<u64>,
    /// The connection is to break within the answer.
    pub(super) cut_off: bool,
}

impl Reply {
    pub(super) fn of(status: u16) -> Self {
        Self { status, retry_after: None, cut_off: false }
    }

    /// As one of a batch's.
    pub(super) fn outcome(&self) -> Value {
        json!({ "status": self.status, "why": "as it was told", "retry_after": self.retry_after })
    }
}

pub(super) fn respond(reply: &Reply) -> Response<Body> {
    let mut response = json(&json!({ "status": reply.status }));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(seconds) = reply.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// The handler takes so many events in one call.
pub(super) fn capabilities(most: usize) -> Response<Body> {
    json(&json!({ "contract": 1, "batch": { "max_events": most }, "events": [] }))
}

pub(super) fn json(value: &impl Serialize) -> Response<Body> {
    let text = Bytes::from(serde_json::to_vec(value).unwrap_or_default());
    Response::new(Full::new(text).map_err(|never: Infallible| match never {}).boxed())
}

/// The head and a first piece are sent; then the connection breaks.
pub(super) fn cut_off() -> Response<Body> {
    let pieces = futures::stream::unfold(0, |sent| async move {
        tokio::task::yield_now().await;
        let piece = if sent == 0 { Ok(Frame::data(Bytes::from_static(b"{\"sta"))) } else { Err(Broken) };
        Some((piece, sent + 1))
    });
    Response::new(BodyExt::boxed(StreamBody::new(pieces)))
}
