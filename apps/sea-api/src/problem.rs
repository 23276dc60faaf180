//! Refusals as RFC 9457 has them.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sea_public_api::SeaError;
use serde::Serialize;

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// How long a caller should wait before it asks again, in seconds.
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
    current_version: Option<i32>,
    /// Waiting a moment may be all that it takes.
    #[serde(skip)]
    again: bool,
}

#[derive(Debug, Serialize)]
struct Field {
    field: String,
    problem: String,
    /// Where in an expression, both from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u32>,
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
        Self {
            kind: format!("urn:sea:problem:{code}"),
            title,
            status,
            detail: detail.into(),
            fields: Vec::new(),
            current_version: None,
            again: false,
        }
    }

    /// One field of the request is unusable.
    pub(crate) fn invalid(field: &'static str, problem: impl Into<String>) -> Self {
        SeaError::Invalid { field, problem: problem.into() }.into()
    }

    /// It took too long.
    pub(crate) fn late() -> Self {
        let detail =
            "the service is too slow at the moment; a command with an Idempotency-Key is safe to repeat";
        let late = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "It took too long", detail);
        Self { again: true, ..late }
    }
}

impl From<SeaError> for Problem {
    fn from(error: SeaError) -> Self {
        let (status, title) = status_and_title(&error);
        let problem = Self::new(status, error.code(), title, shown(&error));
        let field = |field: &str, problem: String| Field {
            field: field.to_owned(),
            problem,
            line: None,
            column: None,
        };
        match error {
            SeaError::Invalid { field: name, problem: what } => {
                Self { fields: vec![field(name, what)], ..problem }
            }
            SeaError::InvalidExpression(fault) => {
                let place = Field {
                    line: Some(fault.line),
                    column: Some(fault.column),
                    ..field("expression", fault.problem)
                };
                Self { fields: vec![place], ..problem }
            }
            SeaError::UnknownVibe => {
                let what = "vibespro has no vibe of this id".to_owned();
                Self { fields: vec![field("vibe_id", what)], ..problem }
            }
            SeaError::StaleVersion { current } => Self { current_version: Some(current), ..problem },
            SeaError::Busy | SeaError::Unavailable { .. } => Self { again: true, ..problem },
            SeaError::UnknownCase
            | SeaError::UnknownTask
            | SeaError::UnknownPolicy
            | SeaError::AlreadyCompleted { .. }
            | SeaError::KeyReused
            | SeaError::Unexpected(_) => problem,
        }
    }
}

fn status_and_title(error: &SeaError) -> (StatusCode, &'static str) {
    match error {
        SeaError::Invalid { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "A value cannot be used"),
        SeaError::InvalidExpression(_) => (StatusCode::UNPROCESSABLE_ENTITY, "The expression cannot be used"),
        SeaError::UnknownVibe => (StatusCode::UNPROCESSABLE_ENTITY, "There is no such vibe"),
        SeaError::KeyReused => {
            (StatusCode::UNPROCESSABLE_ENTITY, "The idempotency key belongs to another request")
        }
        SeaError::UnknownCase => (StatusCode::NOT_FOUND, "There is no such case"),
        SeaError::UnknownTask => (StatusCode::NOT_FOUND, "There is no such task"),
        SeaError::UnknownPolicy => (StatusCode::NOT_FOUND, "There is no such policy"),
        SeaError::AlreadyCompleted { .. } => (StatusCode::CONFLICT, "The task is done already"),
        SeaError::StaleVersion { .. } => (StatusCode::CONFLICT, "The policy has changed"),
        SeaError::Busy => (StatusCode::CONFLICT, "Another request is at it"),
        SeaError::Unavailable { .. } => {
            (StatusCode::SERVICE_UNAVAILABLE, "Something needed is not available")
        }
        SeaError::Unexpected(_) => (StatusCode::INTERNAL_SERVER_ERROR, "Something is wrong here"),
    }
}

/// What a caller may know and can do; what an operator needs goes into the log.
fn shown(error: &SeaError) -> String {
    match error {
        SeaError::Unavailable { what, source } => {
            tracing::warn!(what, cause = chain(source.as_ref()), "refused");
            format!("{what}; try again later: a command with an Idempotency-Key is safe to repeat")
        }
        SeaError::Unexpected(what) => {
            tracing::error!(what, "failed");
            "the request was refused by a fault of this service; its log says which".to_owned()
        }
        SeaError::StaleVersion { current } => {
            format!(
                "the policy is at version {current}; read it and send expected_version {current} if you still want this"
            )
        }
        SeaError::KeyReused => {
            "this Idempotency-Key was used for another request of this kind; use a new key for a new request"
                .to_owned()
        }
        SeaError::Busy => "another request is changing the same thing; try again in a moment".to_owned(),
        SeaError::Invalid { .. }
        | SeaError::InvalidExpression(_)
        | SeaError::UnknownCase
        | SeaError::UnknownTask
        | SeaError::UnknownPolicy
        | SeaError::UnknownVibe
        | SeaError::AlreadyCompleted { .. } => error.to_string(),
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |cause| cause.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, again) = (self.status, self.again);
        let mut response = (status, Json(self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, CONTENT_TYPE);
        if again {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }
}
