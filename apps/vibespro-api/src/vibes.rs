use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use uuid::Uuid;
use vibespro_public_api::{CreateVibe, ScoreVibe, UpdateVibe, VibeSummary, VibesProError};

use crate::body::Body;
use crate::call::Call;
use crate::problem::Problem;
use crate::routes::{Service, command_answer};

/// What stands in the path in place of an id that is no UUID: no vibe has it.
type InPath = Result<Path<Uuid>, PathRejection>;

pub(crate) async fn create(
    State(service): State<Service>,
    Call(call): Call,
    Body(request): Body<CreateVibe>,
) -> Result<Response, Problem> {
    let done = service.create_vibe(request, call).await?;
    let location = format!("/v1/vibes/{}", done.value.vibe_id);
    let mut response = command_answer(StatusCode::CREATED, done.replayed, Json(done.value));
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

pub(crate) async fn update(
    State(service): State<Service>,
    vibe_id: InPath,
    Call(call): Call,
    Body(request): Body<UpdateVibe>,
) -> Result<Response, Problem> {
    let done = service.update_vibe(known(vibe_id)?, request, call).await?;
    Ok(command_answer(StatusCode::OK, done.replayed, Json(done.value)))
}

pub(crate) async fn score(
    State(service): State<Service>,
    vibe_id: InPath,
    Call(call): Call,
    Body(request): Body<ScoreVibe>,
) -> Result<Response, Problem> {
    let done = service.score_vibe(known(vibe_id)?, request, call).await?;
    Ok(command_answer(StatusCode::OK, done.replayed, Json(done.value)))
}

pub(crate) async fn summary(
    State(service): State<Service>,
    vibe_id: InPath,
) -> Result<Json<VibeSummary>, Problem> {
    Ok(Json(service.vibe_summary(known(vibe_id)?).await?))
}

fn known(vibe_id: InPath) -> Result<Uuid, Problem> {
    vibe_id.map(|Path(vibe_id)| vibe_id).map_err(|_no_uuid| {
        let unknown = VibesProError::UnknownVibe { vibe_id: Uuid::nil() };
        let detail = "the id in the path is not a UUID; use the vibe_id that creating the vibe gave";
        Problem::from(unknown).saying(detail)
    })
}
