use axum::http::header;
use axum::response::IntoResponse;

/// The description of this API, OpenAPI 3.1, JSON.
pub const OPENAPI: &str = include_str!("../openapi.json");

pub(crate) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}
