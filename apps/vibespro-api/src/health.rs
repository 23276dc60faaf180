use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, response::Result};
use serde::Serialize;

use crate::problem::Problem;
use crate::routes::Service;

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

/// The process answers.
pub(crate) async fn live() -> Response {
    (StatusCode::OK, Json(Health { status: "live" })).into_response()
}

/// Commands can be carried out: the database answers and its tables are there.
pub(crate) async fn ready(State(service): State<Service>) -> Result<Response, Problem> {
    service.ready().await?;
    Ok((StatusCode::OK, Json(Health { status: "ready" })).into_response())
}
