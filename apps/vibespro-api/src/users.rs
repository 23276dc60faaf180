use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use vibespro_public_api::{RegisterUser, VibePage, VibesProError};

use crate::body::Body;
use crate::call::Call;
use crate::problem::Problem;
use crate::query::page_request;
use crate::routes::{Service, command_answer};

/// What a path holds is an id; text that cannot be decoded is none.
type InPath = Result<Path<String>, PathRejection>;

pub(crate) async fn register(
    State(service): State<Service>,
    user_id: InPath,
    Call(call): Call,
    Body(request): Body<RegisterUser>,
) -> Result<Response, Problem> {
    let Path(user_id) = user_id.unwrap_or(Path(String::new()));
    let done = service.register_user(user_id, request, call).await?;
    let status = if done.value.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(command_answer(status, done.replayed, Json(done.value.user)))
}

pub(crate) async fn vibes(
    State(service): State<Service>,
    user_id: InPath,
    RawQuery(query): RawQuery,
) -> Result<Json<VibePage>, Problem> {
    let Path(user_id) = user_id.map_err(|_undecodable| unknown())?;
    let page = service.vibes_of_user(user_id, page_request(query.as_deref())?).await;
    page.map(Json).map_err(Problem::of_path)
}

fn unknown() -> Problem {
    let unknown = VibesProError::UnknownUser { user_id: String::new() };
    Problem::of_path(unknown).saying("the id in the path cannot be decoded; use a-z, 0-9, `.`, `_` and `-`")
}
