//! Refusals as RFC 9457 has them.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use vibespro_public_api::{FieldProblem, VibesProError};

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// How long a caller should wait before it asks an unavailable service again, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

/// A refusal: what kind, and what to change.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    #[serde(serialize_with = "number")]
    status: StatusCode,
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_revision: Option<i64>,
}

#[derive(Debug, Serialize)]
struct Field {
    field: String,
    problem: String,
}

fn number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    pub(crate) fn new(
        status: StatusCode,
        code: &str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        let kind = format!("urn:vibespro:problem:{code}");
        Self { kind, title, status, detail: detail.into(), fields: Vec::new(), current_revision: None }
    }

    /// One field of the request is unusable.
    pub(crate) fn invalid(field: &str, problem: impl Into<String>) -> Self {
        let (field, problem) = (field.to_owned(), problem.into());
        VibesProError::InvalidInput { fields: vec![FieldProblem { field, problem }] }.into()
    }

    /// The same, with a detail that fits better.
    pub(crate) fn saying(self, detail: &str) -> Self {
        Self { detail: detail.to_owned(), ..self }
    }

    /// The user stands in the path: what was asked for is not there.
    pub(crate) fn of_path(error: VibesProError) -> Self {
        let unknown = matches!(error, VibesProError::UnknownUser { .. });
        let problem = Self::from(error);
        if unknown { Self { status: StatusCode::NOT_FOUND, ..problem } } else { problem }
    }
}

impl From<VibesProError> for Problem {
    fn from(error: VibesProError) -> Self {
        let (status, title) = status_and_title(&error);
        let detail = shown(&error);
        let problem = Self::new(status, error.code(), title, detail);
        match error {
            VibesProError::InvalidInput { fields } => {
                let field = |each: FieldProblem| Field { field: each.field, problem: each.problem };
                Self { fields: fields.into_iter().map(field).collect(), ..problem }
            }
            VibesProError::StaleRevision { current, .. } => {
                Self { current_revision: Some(current), ..problem }
            }
            VibesProError::UnknownUser { .. }
            | VibesProError::UnknownVibe { .. }
            | VibesProError::IdempotencyKeyReused
            | VibesProError::Unavailable { .. }
            | VibesProError::Internal { .. } => problem,
        }
    }
}

fn status_and_title(error: &VibesProError) -> (StatusCode, &'static str) {
    match error {
        VibesProError::InvalidInput { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "A value cannot be used"),
        VibesProError::UnknownUser { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "There is no such user"),
        VibesProError::UnknownVibe { .. } => (StatusCode::NOT_FOUND, "There is no such vibe"),
        VibesProError::StaleRevision { .. } => (StatusCode::CONFLICT, "The vibe has changed"),
        VibesProError::IdempotencyKeyReused => {
            (StatusCode::UNPROCESSABLE_ENTITY, "The idempotency key belongs to another request")
        }
        VibesProError::Unavailable { .. } => {
            (StatusCode::SERVICE_UNAVAILABLE, "The database is not available")
        }
        VibesProError::Internal { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "Something is wrong here"),
    }
}

/// What a caller may know; what an operator needs goes into the log.
fn shown(error: &VibesProError) -> String {
    match error {
        VibesProError::Unavailable { detail } => {
            tracing::warn!(detail, "refused: the database is not available");
            "try again later; a command with an Idempotency-Key is safe to repeat".to_owned()
        }
        VibesProError::Internal { detail } => {
            tracing::error!(detail, "failed");
            "the request was refused by a fault of this service; its log says which".to_owned()
        }
        VibesProError::InvalidInput { .. }
        | VibesProError::UnknownUser { .. }
        | VibesProError::UnknownVibe { .. }
        | VibesProError::StaleRevision { .. }
        | VibesProError::IdempotencyKeyReused => error.to_string(),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status;
        let mut response = (status, Json(self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, CONTENT_TYPE);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }
}
