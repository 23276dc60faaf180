use std::time::Duration;

use anyhow::{Context as _, bail};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use uuid::Uuid;

/// How long a user repeats a request that is not answered.
const PATIENCE: Duration = Duration::from_secs(30);
const AGAIN_AFTER: Duration = Duration::from_millis(100);
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// `vibespro-api`, as a user's program talks to it.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    client: Client<HttpConnector, Full<Bytes>>,
    base_url: String,
}

/// What came back: the body, and how often it had to be asked for.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: Value,
    pub(crate) repeats: usize,
}

impl Api {
    pub(crate) fn at(base_url: String) -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http(), base_url }
    }

    /// Sends a command, and sends it again under the same idempotency key until it is answered: a
    /// server that died in between has carried it out once or not at all.
    pub(crate) async fn command(&self, method: &Method, path: &str, body: &Value) -> anyhow::Result<Answer> {
        let key = Uuid::new_v4().to_string();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut repeats = 0;
        loop {
            let problem = match tokio::time::timeout(ANSWER_LIMIT, self.send(method, path, body, &key)).await
            {
                Ok(Ok((status, body))) if status.is_success() => return Ok(Answer { body, repeats }),
                Ok(Ok((status, body))) if status.is_client_error() && status != StatusCode::CONFLICT => {
                    bail!("{method} {path}: {status} {body}")
                }
                Ok(Ok((status, body))) => format!("{status} {body}"),
                Ok(Err(error)) => format!("{error:#}"),
                Err(_elapsed) => "no answer".to_owned(),
            };
            if tokio::time::Instant::now() >= deadline {
                bail!("{method} {path} failed for {} s: {problem}", PATIENCE.as_secs());
            }
            repeats += 1;
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    async fn send(
        &self,
        method: &Method,
        path: &str,
        body: &Value,
        key: &str,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base_url))
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .body(Full::from(serde_json::to_vec(body)?))?;
        let answer = self.client.request(request).await?;
        let status = answer.status();
        let bytes = answer.into_body().collect().await?.to_bytes();
        let body = serde_json::from_slice(&bytes).with_context(|| format!("{status} with no JSON"))?;
        Ok((status, body))
    }
}
