use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{StatusCode, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use sea_public_api::Sea;

use crate::problem::Problem;
use crate::{cases, document, health, policies};

/// Largest body of a request, bytes: the largest facts and what stands around them.
pub const MAX_BODY_BYTES: usize = 80 * 1024;
/// A request is given up after so long; longer than the database's own limits.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Every operation, as the description of this API lists them.
pub const OPERATIONS: [(&str, &str); 11] = [
    ("get", "/health/live"),
    ("get", "/health/ready"),
    ("get", "/openapi.json"),
    ("get", "/v1/cases"),
    ("post", "/v1/cases"),
    ("get", "/v1/cases/{case_id}"),
    ("post", "/v1/governance/evaluations"),
    ("get", "/v1/policies"),
    ("put", "/v1/policies/{name}"),
    ("get", "/v1/policies/{name}/versions"),
    ("post", "/v1/tasks/{task_id}/complete"),
];

pub(crate) type Shared = Arc<dyn Sea>;

/// All routes over `sea`.
pub fn router(sea: Arc<dyn Sea>) -> Router {
    Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/openapi.json", get(document::openapi))
        .route("/v1/cases", get(cases::list).post(cases::open))
        .route("/v1/cases/{case_id}", get(cases::one))
        .route("/v1/governance/evaluations", post(policies::evaluate))
        .route("/v1/policies", get(policies::list))
        .route("/v1/policies/{name}", put(policies::put))
        .route("/v1/policies/{name}/versions", get(policies::versions))
        .route("/v1/tasks/{task_id}/complete", post(cases::complete))
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn(in_time))
        .with_state(sea)
}

async fn no_such_route(uri: Uri) -> Problem {
    let detail = format!("there is nothing at {}; GET /openapi.json lists what there is", uri.path());
    Problem::new(StatusCode::NOT_FOUND, "not_found", "There is no such route", detail)
}

async fn no_such_method(request: Request) -> Problem {
    let detail = format!("{} is not possible here; the header Allow says what is", request.method());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Another method is needed", detail)
}

/// A command that is given up is rolled back, or was carried out: its key tells.
async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(ANSWER_WITHIN, next.run(request)).await {
        Ok(response) => response,
        Err(_elapsed) => Problem::late().into_response(),
    }
}
