use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use uuid::Uuid;
use vibespro_public_api::CallContext;

use crate::problem::Problem;

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const CORRELATION_ID: &str = "x-correlation-id";
const TRACEPARENT: &str = "traceparent";

/// What a command's headers say.
pub(crate) struct Call(pub(crate) CallContext);

impl<S: Send + Sync> FromRequestParts<S> for Call {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let headers = &parts.headers;
        // Text that is not even ASCII is no key; the empty one is refused with the reason.
        let key = headers.get(IDEMPOTENCY_KEY).map(|key| key.to_str().unwrap_or_default().to_owned());
        Ok(Self(CallContext {
            idempotency_key: key,
            correlation_id: correlation_id(headers)?,
            traceparent: text(headers, TRACEPARENT).map(str::to_owned),
        }))
    }
}

fn correlation_id(headers: &HeaderMap) -> Result<Option<Uuid>, Problem> {
    if !headers.contains_key(CORRELATION_ID) {
        return Ok(None);
    }
    let id = text(headers, CORRELATION_ID).and_then(|id| Uuid::try_parse(id).ok());
    id.map(Some)
        .ok_or_else(|| Problem::invalid("X-Correlation-Id", "is not a UUID; leave it out or send one"))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
