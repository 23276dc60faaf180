use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::error::ObserveError;
use crate::health::Health;
use crate::recorder::Metrics;
use crate::report::{LivenessStatus, ReadinessStatus};

/// Content type of Prometheus' text format.
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How often observations are folded when nobody asks for them.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// How long open connections may finish after the stop.
const LINGER: Duration = Duration::from_secs(1);

/// Answers `/health/live`, `/health/ready` and `/metrics`.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    addr: SocketAddr,
    served: Served,
}

#[derive(Clone, Debug)]
struct Served {
    health: Health,
    metrics: Metrics,
}

impl HttpServer {
    /// Listens on `addr`; port 0 lets the system choose, see [`HttpServer::local_addr`].
    /// Connections wait until [`HttpServer::run`].
    ///
    /// # Errors
    /// [`ObserveError::Bind`] when the address cannot be had.
    pub async fn bind(addr: SocketAddr, health: Health, metrics: Metrics) -> Result<Self, ObserveError> {
        let failed = |source| ObserveError::Bind { addr, source };
        let listener = TcpListener::bind(addr).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        tracing::info!(%addr, "health and metrics are served");
        Ok(Self { listener, addr, served: Served { health, metrics } })
    }

    /// The address that is listened on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Answers until `stop`, which is best the last thing that a stopping worker cancels:
    /// until then a probe sees it drain.
    ///
    /// # Errors
    /// [`ObserveError::Serve`] when the server breaks down.
    pub async fn run(self, stop: CancellationToken) -> Result<(), ObserveError> {
        let metrics = self.served.metrics.clone();
        let server = axum::serve(self.listener, router(self.served))
            .with_graceful_shutdown(stop.clone().cancelled_owned());
        tokio::select! {
            result = server.into_future() => result.map_err(ObserveError::Serve),
            () = upkeep_until(&metrics, stop) => Ok(()),
        }
    }
}

/// Keeps the metrics small until `stop`, and then gives connections a moment.
async fn upkeep_until(metrics: &Metrics, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(UPKEEP_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let upkeep = async {
        loop {
            ticks.tick().await;
            metrics.upkeep();
        }
    };
    stop.run_until_cancelled(upkeep).await;
    tokio::time::sleep(LINGER).await;
}

fn router(served: Served) -> Router {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(served)
}

async fn live(State(served): State<Served>) -> Response {
    let liveness = served.health.liveness();
    let code = match liveness.status {
        LivenessStatus::Live => StatusCode::OK,
        LivenessStatus::Stuck => StatusCode::SERVICE_UNAVAILABLE,
    };
    (code, Json(liveness)).into_response()
}

async fn ready(State(served): State<Served>) -> Response {
    let readiness = served.health.readiness();
    let code = match readiness.status {
        ReadinessStatus::Ready => StatusCode::OK,
        ReadinessStatus::NotReady | ReadinessStatus::Draining => StatusCode::SERVICE_UNAVAILABLE,
    };
    (code, Json(readiness)).into_response()
}

/// Judges progress first, so that its gauge is as fresh as the answer.
async fn metrics(State(served): State<Served>) -> Response {
    let _ = served.health.readiness();
    ([(header::CONTENT_TYPE, PROMETHEUS_TEXT)], served.metrics.render()).into_response()
}
