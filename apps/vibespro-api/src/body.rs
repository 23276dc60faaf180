use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::MAX_BODY_BYTES;
use crate::problem::Problem;

/// A request's JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "The body is not declared as JSON",
                "send the header Content-Type: application/json",
            ));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|e| unreadable(e.status()))?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| not_meant(&error))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/json")
}

fn unreadable(status: StatusCode) -> Problem {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        let detail = format!("send at most {MAX_BODY_BYTES} bytes");
        return Problem::new(status, "body_too_large", "The body is too large", detail);
    }
    let detail = "the body broke off; send all of it";
    Problem::new(StatusCode::BAD_REQUEST, "invalid_json", "The body cannot be read", detail)
}

/// Text that is no JSON, or JSON of another shape than this request has.
fn not_meant(error: &serde_json::Error) -> Problem {
    match error.classify() {
        Category::Data => Problem::invalid("body", error.to_string()),
        Category::Syntax | Category::Eof | Category::Io => Problem::new(
            StatusCode::BAD_REQUEST,
            "invalid_json",
            "The body is not JSON",
            format!("correct the body: {error}"),
        ),
    }
}
