//! The routes by which a worker calls.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::body;
use crate::handlers::Handlers;
use crate::secret::Secret;
use crate::signature::why_refused;
use crate::wire::{self, Refused};

// The broker takes events of 1 MiB by default, and as JSON the call says a little more.
const LARGEST_CALL_BYTES: usize = 16 << 20;
const LARGEST_BATCH_BYTES: usize = 64 << 20;
const LARGEST_LOOK_BYTES: usize = 64 << 10;

/// Settings of the routes.
#[derive(Debug, Clone)]
pub struct Options {
    /// The path of the worker's `HANDLER_URL`, `/handle` by default.
    pub path: String,
    /// Lets a worker send several events in one call, at most this many. Without it there are single calls only.
    pub batch: Option<usize>,
    /// Whose signature a request of the worker needs: any one is enough, and without any none is needed. See
    /// [`secrets_from_env`](crate::secrets_from_env).
    pub secrets: Vec<Secret>,
    /// Tables (`table`) and columns (`table.column`) without which the handlers are not ready.
    pub ready: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { path: "/handle".to_owned(), batch: None, secrets: Vec::new(), ready: Vec::new() }
    }
}

struct Service {
    handlers: Arc<Handlers>,
    options: Options,
}

/// The routes: `POST {path}`, with `batch` also `POST {path}/batch`, `GET {path}/capabilities`, `GET /health/live` and
/// `GET /health/ready`. The server keeps idle connections for 5 s or longer, as axum's does.
///
/// # Panics
/// When the path does not begin with `/` or ends with it, or a batch is of no event.
#[track_caller]
pub fn router(handlers: impl Into<Arc<Handlers>>, options: Options) -> Router {
    let path = options.path.clone();
    assert!(
        path.starts_with('/') && !path.ends_with('/'),
        "path: begins with / and does not end with it, as /handle"
    );
    assert!(options.batch != Some(0), "batch: at least one event");
    let mut routes = Router::new()
        .route(&path, post(single))
        .route(&format!("{path}/capabilities"), get(capabilities))
        .route("/health/live", get(async || json_of(StatusCode::OK, &json!({"status": "live"}))))
        .route("/health/ready", get(ready));
    if options.batch.is_some() {
        routes = routes.route(&format!("{path}/batch"), post(batch));
    }
    routes.with_state(Arc::new(Service { handlers: handlers.into(), options }))
}

async fn single(State(service): State<Arc<Service>>, request: Request<Body>) -> Response {
    let answered = async {
        let (parts, body) = service.admitted(request, LARGEST_CALL_BYTES).await?;
        let call = wire::read_call(&body, traceparent(&parts.headers))?;
        drop(body);
        Ok(service.handlers.answer(call).await)
    };
    answered.await.map_or_else(refused, told)
}

async fn batch(State(service): State<Arc<Service>>, request: Request<Body>) -> Response {
    let answered = async {
        let (_, body) = service.admitted(request, LARGEST_BATCH_BYTES).await?;
        let calls = wire::read_batch(&body, service.options.batch.unwrap_or(0))?;
        drop(body);
        Ok(wire::written(&service.handlers.answer_batch(calls).await))
    };
    answered.await.map_or_else(refused, |answers| json_of(StatusCode::OK, &answers))
}

async fn capabilities(State(service): State<Arc<Service>>, request: Request<Body>) -> Response {
    let admitted = service.admitted(request, LARGEST_LOOK_BYTES).await;
    let offered = || wire::capabilities(&service.handlers, service.options.batch);
    admitted.map_or_else(refused, |_| json_of(StatusCode::OK, &offered()))
}

async fn ready(State(service): State<Arc<Service>>) -> Response {
    match service.handlers.why_not_ready(&service.options.ready).await {
        None => json_of(StatusCode::OK, &json!({"status": "ready"})),
        Some(why) => json_of(StatusCode::SERVICE_UNAVAILABLE, &json!({"status": "not ready", "why": why})),
    }
}

impl Service {
    /// The body of a request that a worker made, before anything of it is parsed.
    async fn admitted(&self, request: Request<Body>, limit: usize) -> Result<(Parts, Bytes), Refused> {
        let (parts, body) = request.into_parts();
        let body = body::read(body, limit).await?;
        if !self.options.secrets.is_empty()
            && let Some(why) = why_refused(&self.options.secrets, &parts.headers, &body, now())
        {
            tracing::warn!(path = parts.uri.path(), "a request was refused: {why}");
            return Err((StatusCode::UNAUTHORIZED, why.to_owned()));
        }
        Ok((parts, body))
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn traceparent(headers: &HeaderMap) -> Option<&str> {
    headers.get("traceparent")?.to_str().ok()
}

fn told(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match answer.retry_after {
        Some(wait) => {
            (status, [(header::RETRY_AFTER, wait.as_secs().to_string())], answer.why).into_response()
        }
        None => (status, answer.why).into_response(),
    }
}

fn refused(refused: Refused) -> Response {
    refused.into_response()
}

fn json_of(status: StatusCode, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}
