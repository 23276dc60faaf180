use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sea_domain::VibeRef;
use sea_ports::{CapabilityError, NewVibe, ScoreVibe, VibeSummary, VibesProCapability};
use serde::Serialize;
use vibespro_public_api::CreateVibe;

use super::wire::refusal;
use super::{summary, vibe_id};

const CONNECT_WITHIN: Duration = Duration::from_secs(2);
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const LARGEST_ANSWER: usize = 256 * 1024;

/// Why there is no way to vibespro-api.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{url}` is no address of vibespro-api: write http://host:port, or http://host:port/path")]
pub struct HttpVibesProError {
    /// As it was given.
    pub url: String,
}

/// VibesPro over HTTP: a running vibespro-api. Plain HTTP, for the same machine or a private
/// network. Asks once: whether to repeat is the caller's to know.
#[derive(Clone, Debug)]
pub struct HttpVibesPro {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
}

impl HttpVibesPro {
    /// Towards `base`, such as `http://127.0.0.1:8002`. Connects when it is first asked.
    ///
    /// # Errors
    /// [`HttpVibesProError`].
    pub fn new(base: &str) -> Result<Self, HttpVibesProError> {
        let refused = || HttpVibesProError { url: base.to_owned() };
        let uri: Uri = base.parse().map_err(|_not_a_uri| refused())?;
        if uri.scheme_str() != Some("http") || uri.host().is_none() || uri.query().is_some() {
            return Err(refused());
        }
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_WITHIN));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, base: base.trim_end_matches('/').to_owned() })
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<VibeSummary, CapabilityError> {
        let asked = format!("{method} {}{path}", self.base);
        let answer = tokio::time::timeout(ANSWER_WITHIN, self.exchange(method, path, body)).await;
        let (status, body) = match answer {
            Ok(exchanged) => exchanged.map_err(|source| unavailable(format!("{asked} failed"), source))?,
            Err(elapsed) => {
                let doing = format!("{asked} was not answered within {} s", ANSWER_WITHIN.as_secs());
                return Err(unavailable(doing, elapsed.into()));
            }
        };
        if !status.is_success() {
            return Err(refusal(&asked, status, &body));
        }
        let found = serde_json::from_slice(&body);
        summary(
            found.map_err(|error| unavailable(format!("{asked} was answered with no vibe"), error.into()))?,
        )
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(ACCEPT, "application/json, application/problem+json")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        let (head, body) = self.client.request(request).await?.into_parts();
        let body = Limited::new(body, LARGEST_ANSWER).collect().await?.to_bytes();
        Ok((head.status, body))
    }
}

impl VibesProCapability for HttpVibesPro {
    async fn create_vibe(&self, vibe: NewVibe) -> Result<VibeSummary, CapabilityError> {
        let NewVibe { owner, title, description } = vibe;
        let request = json(&CreateVibe { user_id: owner, title, description })?;
        self.ask(Method::POST, "/v1/vibes", request).await
    }

    async fn score_vibe(&self, score: ScoreVibe) -> Result<VibeSummary, CapabilityError> {
        let ScoreVibe { vibe_id: vibe, score, expected_revision } = score;
        let path = format!("/v1/vibes/{}/score", vibe_id(&vibe)?);
        let request = json(&vibespro_public_api::ScoreVibe { expected_revision, score: score.into() })?;
        self.ask(Method::POST, &path, request).await
    }

    async fn vibe_summary(&self, vibe: &VibeRef) -> Result<VibeSummary, CapabilityError> {
        self.ask(Method::GET, &format!("/v1/vibes/{}", vibe_id(vibe)?), Bytes::new()).await
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn unavailable(doing: String, source: Failure) -> CapabilityError {
    CapabilityError::Unavailable { doing, source: Some(source) }
}

fn json(request: &impl Serialize) -> Result<Bytes, CapabilityError> {
    let text = serde_json::to_vec(request);
    text.map(Bytes::from)
        .map_err(|error| unavailable("the request cannot be written".to_owned(), error.into()))
}

#[cfg(test)]
mod tests {
    use super::HttpVibesPro;

    #[test]
    fn only_an_address_of_a_server_will_do() {
        for (url, ok) in [
            ("http://127.0.0.1:8002", true),
            ("http://vibespro.local/api/", true),
            ("https://vibespro.local", false),
            ("127.0.0.1:8002", false),
            ("", false),
            ("http://a/?x=1", false),
        ] {
            assert_eq!(HttpVibesPro::new(url).is_ok(), ok, "{url}");
        }
    }
}
