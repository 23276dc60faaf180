use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sea_public_api::{CaseDetails, CasePage, CompleteTask, Done, OpenCase, SeaError};
use uuid::Uuid;

use crate::body::Body;
use crate::call::Call;
use crate::problem::Problem;
use crate::query::Asked;
use crate::routes::Shared;

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

pub(crate) async fn open(
    State(sea): State<Shared>,
    Call(call): Call,
    Body(request): Body<OpenCase>,
) -> Result<Response, Problem> {
    let done = sea.open_case(request, call).await?;
    let location = format!("/v1/cases/{}", done.value.case_id);
    let mut response = answer(StatusCode::CREATED, done);
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

pub(crate) async fn complete(
    State(sea): State<Shared>,
    Path(task_id): Path<String>,
    Call(call): Call,
    Body(request): Body<CompleteTask>,
) -> Result<Response, Problem> {
    // What is no identity is nobody's.
    let task_id = Uuid::parse_str(&task_id).map_err(|_no_uuid| SeaError::UnknownTask)?;
    Ok(answer(StatusCode::OK, sea.complete_task(task_id, request, call).await?))
}

pub(crate) async fn one(
    State(sea): State<Shared>,
    Path(case_id): Path<String>,
) -> Result<Json<CaseDetails>, Problem> {
    let case_id = Uuid::parse_str(&case_id).map_err(|_no_uuid| SeaError::UnknownCase)?;
    Ok(Json(sea.case(case_id).await?))
}

pub(crate) async fn list(State(sea): State<Shared>, asked: Asked) -> Result<Json<CasePage>, Problem> {
    Ok(Json(sea.cases(asked.cases()?).await?))
}

fn answer(status: StatusCode, done: Done<CaseDetails>) -> Response {
    let mut response = (status, Json(done.value)).into_response();
    if done.replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}
