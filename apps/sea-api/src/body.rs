use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::problem::Problem;
use crate::routes::MAX_BODY_BYTES;

/// The request's body, JSON, in the shape that the route asks for.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        check_type(&request)?;
        let bytes = Bytes::from_request(request, state).await.map_err(|refused| unread(refused.status()))?;
        let read = serde_json::from_slice(&bytes).map_err(|error| unusable(&error))?;
        // The fields one after the other, as a list, would do for serde.
        if bytes.trim_ascii_start().starts_with(b"{") {
            return Ok(Self(read));
        }
        Err(Problem::invalid("body", "needs to be an object"))
    }
}

fn check_type(request: &Request) -> Result<(), Problem> {
    let given = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = given.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
        return Ok(());
    }
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let detail = "send the body as JSON, with `Content-Type: application/json`";
    Err(Problem::new(status, "unsupported_media_type", "The body is of another type", detail))
}

fn unread(status: StatusCode) -> Problem {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        let detail = format!("a body is at most {MAX_BODY_BYTES} bytes");
        return Problem::new(status, "too_large", "The body is too large", detail);
    }
    let detail = "the body broke off; send it again";
    Problem::new(StatusCode::BAD_REQUEST, "invalid_json", "The body cannot be read", detail)
}

/// No JSON at all, or JSON of another shape.
fn unusable(error: &serde_json::Error) -> Problem {
    let detail = error.to_string();
    match error.classify() {
        Category::Data => Problem::invalid("body", detail),
        Category::Io | Category::Syntax | Category::Eof => {
            Problem::new(StatusCode::BAD_REQUEST, "invalid_json", "The body is not JSON", detail)
        }
    }
}
