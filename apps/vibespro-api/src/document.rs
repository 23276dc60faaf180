use axum::http::header;
use axum::response::{IntoResponse, Response};

/// The description of this API (OpenAPI 3.1, JSON).
pub const OPENAPI: &str = include_str!("../openapi.json");

pub(crate) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}
