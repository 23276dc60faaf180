//! How much of what a FastAPI handler sustains reaches it through the worker.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sea_mq_stack::{Launch, Process, StateDir, free_port, project_root};
use tokio::task::JoinSet;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// As many as the worker has in flight by default.
const CALLS: usize = 25;
const LOAD_TIME: Duration = Duration::from_secs(8);

/// A running FastAPI handler.
pub(crate) struct FastApi {
    pub(crate) url: String,
    _process: Process,
}

impl FastApi {
    /// Starts `fastapi_handler.py` in one uvicorn process and waits until it answers.
    pub(crate) async fn start() -> Outcome<Self> {
        let port = free_port()?;
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/throughput");
        let process = Launch::new("fastapi", project_root().join(".venv/bin/python3"))
            .args(["-m", "uvicorn", "fastapi_handler:app", "--host", "127.0.0.1", "--no-access-log"])
            .args(["--log-level".to_owned(), "info".to_owned(), "--port".to_owned(), port.to_string()])
            .dir(here)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .start(&StateDir::temporary()?)
            .await?;
        process.wait_for_line("Application startup complete", Duration::from_secs(30)).await?;
        Ok(Self { url: format!("http://127.0.0.1:{port}/handle"), _process: process })
    }

    /// What it sustains under a load generator with the worker's number of calls in flight.
    pub(crate) async fn sustained(&self) -> Outcome<f64> {
        let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let answered = Arc::new(AtomicUsize::new(0));
        let began = Instant::now();
        let mut callers = JoinSet::new();
        for _ in 0..CALLS {
            let (client, url, answered) = (client.clone(), self.url.clone(), Arc::clone(&answered));
            callers.spawn(async move {
                while began.elapsed() < LOAD_TIME {
                    let request = hyper::Request::post(&url)
                        .header("content-type", "application/json")
                        .body(Full::from(call()))
                        .unwrap();
                    let answer = client.request(request).await.unwrap();
                    assert!(answer.status().is_success(), "{}", answer.status());
                    answer.into_body().collect().await.unwrap();
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        callers.join_all().await;
        Ok(crate::rate(answered.load(Ordering::Relaxed), began.elapsed()))
    }
}

/// A call as the worker makes it.
fn call() -> String {
    serde_json::json!({
        "message_id": "6f5c9f0e-6a6e-4d0f-9b0b-0d8f4e7f5a11",
        "correlation_id": "6f5c9f0e-6a6e-4d0f-9b0b-0d8f4e7f5a11",
        "subject": "vibespro.event.vibe_created.v1", "event_type": "vibe_created", "event_version": 1,
        "aggregate_type": "vibe", "aggregate_id": "v-1", "occurred_at": "2026-05-04T09:00:00Z",
        "consumer": "sea__from_vibespro", "attempt": 1, "fence": 1,
        "payload": { "n": 1, "filling": "x".repeat(480) },
    })
    .to_string()
}
