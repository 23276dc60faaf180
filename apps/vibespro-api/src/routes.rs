use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, patch, post, put};
use axum::{Json, Router};
use serde::Serialize;
use vibespro_public_api::VibesPro;

use crate::problem::Problem;
use crate::{document, health, users, vibes};

/// Largest body, bytes. The largest request that is meant takes 26 KiB, every character escaped.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

pub(crate) type Service = Arc<dyn VibesPro>;

/// A method as OpenAPI names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// `GET`
    Get,
    /// `PATCH`
    Patch,
    /// `POST`
    Post,
    /// `PUT`
    Put,
}

impl Method {
    /// In lower case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Patch => "patch",
            Self::Post => "post",
            Self::Put => "put",
        }
    }
}

/// All that is served, so that what is served and what is described can be compared.
fn table() -> Vec<(Method, &'static str, MethodRouter<Service>)> {
    vec![
        (Method::Get, "/health/live", get(health::live)),
        (Method::Get, "/health/ready", get(health::ready)),
        (Method::Get, "/openapi.json", get(document::openapi)),
        (Method::Put, "/v1/users/{user_id}", put(users::register)),
        (Method::Get, "/v1/users/{user_id}/vibes", get(users::vibes)),
        (Method::Post, "/v1/vibes", post(vibes::create)),
        (Method::Get, "/v1/vibes/{vibe_id}", get(vibes::summary)),
        (Method::Patch, "/v1/vibes/{vibe_id}", patch(vibes::update)),
        (Method::Post, "/v1/vibes/{vibe_id}/score", post(vibes::score)),
    ]
}

/// Method and path of everything that [`router`] serves.
#[must_use]
pub fn operations() -> Vec<(Method, &'static str)> {
    table().into_iter().map(|(method, path, _)| (method, path)).collect()
}

/// The API over a VibesPro.
pub fn router(service: Arc<dyn VibesPro>) -> Router {
    let routes = table().into_iter().fold(Router::new(), |router, (_, path, handler)| {
        // Methods of one path are merged.
        router.route(path, handler)
    });
    routes
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(service)
}

async fn no_such_path(uri: Uri) -> Problem {
    let detail = format!("nothing is at {}; GET /openapi.json lists what is", uri.path());
    Problem::new(StatusCode::NOT_FOUND, "unknown_path", "There is no such path", detail)
}

async fn no_such_method(method: axum::http::Method) -> Problem {
    let detail = format!("{method} is not one of the methods in the header Allow; use one of those");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This path has no such method", detail)
}

/// A command's answer; says when an earlier call with the same key did it.
pub(crate) fn command_answer<T: Serialize>(status: StatusCode, replayed: bool, value: Json<T>) -> Response {
    let mut response = (status, value).into_response();
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}
