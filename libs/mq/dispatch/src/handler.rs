use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{self, HeaderValue};
use hyper::http::request::Builder;
use hyper::{Request, Response, Uri, body::Incoming};
use sea_mq_failpoint::wall_clock;
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::answer::Answer;
use crate::batch::Capabilities;
use crate::connections::{Broken, CONNECT_LIMIT, Connections};
use crate::signature::Signer;

/// Of an answer's body no more than this is read: it only serves the error text.
const ANSWER_LIMIT: usize = 64 * 1024;
/// The same for each event of a batch beside that.
const OUTCOME_LIMIT: usize = 4 * 1024;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Why a text is not a handler's URL.
#[derive(Debug, thiserror::Error)]
#[error("`{url}` is not a handler URL: {why}; use http://HOST:PORT/PATH")]
pub struct HandlerUrlError {
    url: String,
    why: String,
}

/// The handler of one subscription, and the connections to it.
#[derive(Clone, Debug)]
pub struct Handler {
    connections: Arc<Connections>,
    /// Where single calls go: path and query.
    path: Uri,
    batch_path: Uri,
    capabilities_path: Uri,
    /// What they say is their `Host`.
    host: HeaderValue,
    authority: String,
    timeout: Duration,
    signer: Option<Signer>,
}

impl Handler {
    /// A handler at `url` (http only) that has `timeout` for a whole answer.
    ///
    /// # Errors
    /// [`HandlerUrlError`] when the URL is not plain http with a host.
    pub fn new(url: &str, timeout: Duration) -> Result<Self, HandlerUrlError> {
        let refused = |why: &str| HandlerUrlError { url: url.to_owned(), why: why.to_owned() };
        let parsed: Uri = url.parse().map_err(|e: hyper::http::uri::InvalidUri| refused(&e.to_string()))?;
        if parsed.scheme_str() != Some("http") {
            return Err(refused("the scheme is not http"));
        }
        let host = parsed.host().ok_or_else(|| refused("it names no host"))?;
        let authority = format!("{host}:{}", parsed.port_u16().unwrap_or(80));
        let named = parsed.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let host = HeaderValue::from_str(&named).map_err(|error| refused(&error.to_string()))?;
        let query = parsed.query().map(|query| format!("?{query}")).unwrap_or_default();
        let below = |name: &str| {
            let path = match name {
                "" => parsed.path().to_owned(),
                name => format!("{}/{name}", parsed.path().trim_end_matches('/')),
            };
            format!("{path}{query}")
                .parse()
                .map_err(|e: hyper::http::uri::InvalidUri| refused(&e.to_string()))
        };
        Ok(Self {
            connections: Arc::default(),
            path: below("")?,
            batch_path: below("batch")?,
            capabilities_path: below("capabilities")?,
            host,
            authority,
            timeout,
            signer: None,
        })
    }

    /// The same, with every call signed.
    #[must_use]
    pub fn signed(self, signer: Option<Signer>) -> Self {
        Self { signer, ..self }
    }

    /// `host:port`, for messages.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Posts one request and takes the whole answer, or says what happened instead. `id` names the call
    /// in its signature.
    pub async fn call(&self, id: Uuid, body: Bytes, traceparent: Option<&str>) -> Answer {
        let trace = traceparent.and_then(|text| HeaderValue::from_str(text).ok());
        let request = Request::post(self.path.clone()).header(header::CONTENT_TYPE, JSON);
        let request = trace.into_iter().fold(request, |request, trace| request.header("traceparent", trace));
        self.exchange(request, id, body, ANSWER_LIMIT).await
    }

    /// Posts a batch of so many events, likewise.
    pub async fn call_batch(&self, id: Uuid, body: Bytes, events: usize) -> Answer {
        let request = Request::post(self.batch_path.clone()).header(header::CONTENT_TYPE, JSON);
        self.exchange(request, id, body, ANSWER_LIMIT + events * OUTCOME_LIMIT).await
    }

    /// What the handler offers; `None` when it does not say clearly that it does or does not.
    pub async fn capabilities(&self) -> Option<Capabilities> {
        let request = Request::get(self.capabilities_path.clone());
        let answer = self.exchange(request, Uuid::new_v4(), Bytes::new(), ANSWER_LIMIT).await;
        Capabilities::read(&answer)
    }

    async fn exchange(&self, request: Builder, id: Uuid, body: Bytes, limit: usize) -> Answer {
        let request = match self.addressed(request, id, body) {
            Ok(request) => request,
            Err(error) => return Answer::NeverConnected(error.to_string()),
        };
        let exchange = async {
            match self.connections.send(&self.authority, request).await {
                Ok((response, mut connection)) => {
                    let answer = connection.drive(read_answer(response, limit)).await;
                    self.connections.put_back(connection);
                    answer
                }
                Err(broken) => failed(&broken),
            }
        };
        tokio::time::timeout(self.timeout, exchange).await.unwrap_or(Answer::TimedOut(self.timeout))
    }

    /// Closes connections that were idle for 3 s; to be called about once a second.
    pub fn close_idle(&self) {
        self.connections.close_idle();
    }

    /// Tries to connect, and no more.
    ///
    /// # Errors
    /// Why it could not connect.
    pub async fn probe(&self) -> Result<(), std::io::Error> {
        tokio::time::timeout(CONNECT_LIMIT, TcpStream::connect(&self.authority))
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            .map(drop)
    }

    fn addressed(
        &self,
        request: Builder,
        id: Uuid,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let mut builder = request.header(header::HOST, self.host.clone());
        if let Some(signer) = &self.signer {
            let (id, at) = (id.to_string(), seconds_since_1970());
            builder = builder
                .header("webhook-signature", signer.signature(&id, at, &body))
                .header("webhook-timestamp", at)
                .header("webhook-id", id);
        }
        builder.body(Full::new(body))
    }
}

fn seconds_since_1970() -> u64 {
    wall_clock().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn failed(broken: &Broken) -> Answer {
    match broken {
        Broken::NeverConnected(error) => Answer::NeverConnected(error.to_string()),
        Broken::CutOff(error) => {
            let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
            Answer::CutOff(format!("{error}{source}"))
        }
    }
}

async fn read_answer(response: Response<Incoming>, limit: usize) -> Answer {
    let (head, body) = response.into_parts();
    let retry_after = head
        .headers
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| retry_after(text, wall_clock()));
    // Success is known by the status; its body must still come whole, or the answer was cut off.
    match read_body(body, limit).await {
        Ok(body) => Answer::Status {
            code: head.status.as_u16(),
            retry_after,
            body: body.unwrap_or_else(|| format!("(a body of more than {limit} bytes)")),
        },
        Err(error) => Answer::CutOff(error.to_string()),
    }
}

/// The body as text; `None` when it is longer than `limit`. Its parts are not kept as they come: a body
/// in chunks of one byte would cost many times its length.
async fn read_body(mut body: Incoming, limit: usize) -> Result<Option<String>, hyper::Error> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        // Trailers say nothing here.
        let Ok(data) = frame?.into_data() else { continue };
        if bytes.len() + data.len() > limit {
            return Ok(None);
        }
        bytes.extend_from_slice(&data);
    }
    let text = String::from_utf8(bytes);
    Ok(Some(text.unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned())))
}

/// `Retry-After`: seconds, or an HTTP date; at most a day.
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let wait = if is_number {
        // What no number holds is long.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(Duration::from_hours(24)))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{Handler, retry_after};

    #[test]
    fn only_plain_http_urls() {
        let timeout = Duration::from_secs(1);
        for bad in ["", "https://h/handle", "/handle", "http://", "ftp://h", "http://h h"] {
            assert!(Handler::new(bad, timeout).is_err(), "{bad}");
        }
        let named = |url| Handler::new(url, timeout).map(|h| h.authority().to_owned()).ok();
        assert_eq!(named("http://127.0.0.1:7001/handle").as_deref(), Some("127.0.0.1:7001"));
        assert_eq!(named("http://handler/handle").as_deref(), Some("handler:80"));
    }

    #[test]
    fn retry_after_in_both_forms() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        assert_eq!(retry_after("7", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1904 08:49:37 GMT", now), None);
        assert_eq!(retry_after("99999999999", now), Some(Duration::from_hours(24)));
        assert_eq!(retry_after("soon", now), None);
    }
}
