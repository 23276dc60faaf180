use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::problem::Problem;
use crate::routes::Shared;

pub(crate) async fn live() -> Json<Value> {
    Json(json!({"status": "live"}))
}

/// Ready: the database answers and its tables are there.
pub(crate) async fn ready(State(sea): State<Shared>) -> Result<Json<Value>, Problem> {
    sea.ready().await?;
    Ok(Json(json!({"status": "ready"})))
}
