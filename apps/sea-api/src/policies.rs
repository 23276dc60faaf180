use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use sea_public_api::{Evaluate, EvaluationResult, PolicyPage, PolicyVersion, PutPolicy};

use crate::body::Body;
use crate::problem::Problem;
use crate::query::Asked;
use crate::routes::Shared;

pub(crate) async fn put(
    State(sea): State<Shared>,
    Path(name): Path<String>,
    Body(request): Body<PutPolicy>,
) -> Result<(StatusCode, Json<PolicyVersion>), Problem> {
    let policy = sea.put_policy(name, request).await?;
    let status = if policy.version == 1 { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(policy)))
}

pub(crate) async fn list(State(sea): State<Shared>, asked: Asked) -> Result<Json<PolicyPage>, Problem> {
    Ok(Json(sea.policies(asked.page()?).await?))
}

pub(crate) async fn versions(
    State(sea): State<Shared>,
    Path(name): Path<String>,
    asked: Asked,
) -> Result<Json<PolicyPage>, Problem> {
    Ok(Json(sea.policy_versions(name, asked.page()?).await?))
}

pub(crate) async fn evaluate(
    State(sea): State<Shared>,
    Body(request): Body<Evaluate>,
) -> Result<Json<EvaluationResult>, Problem> {
    Ok(Json(sea.evaluate(request).await?))
}
