use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{self, HeaderValue};
use hyper::{Request, Response, Uri, body::Incoming};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::answer::Answer;
use crate::connections::{Broken, CONNECT_LIMIT, Connections};
use crate::signature::Signer;

/// Of an answer's body no more than this is read: it only serves the error text.
const ANSWER_LIMIT: usize = 64 * 1024;

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
    /// Where the calls go: path and query.
    path: Uri,
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
        let path = parsed.path_and_query().map_or("/", |path| path.as_str());
        let path = path.parse().map_err(|e: hyper::http::uri::InvalidUri| refused(&e.to_string()))?;
        Ok(Self { connections: Arc::default(), path, host, authority, timeout, signer: None })
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
        let request = match self.request(id, body, traceparent) {
            Ok(request) => request,
            Err(error) => return Answer::NeverConnected(error.to_string()),
        };
        let exchange = async {
            match self.connections.send(&self.authority, request).await {
                Ok((response, mut connection)) => {
                    let answer = connection.drive(read_answer(response)).await;
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

    fn request(
        &self,
        id: Uuid,
        body: Bytes,
        traceparent: Option<&str>,
    ) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        let mut builder = Request::post(self.path.clone())
            .header(header::HOST, self.host.clone())
            .header(header::CONTENT_TYPE, JSON);
        if let Some(value) = traceparent.and_then(|text| HeaderValue::from_str(text).ok()) {
            builder = builder.header("traceparent", value);
        }
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
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
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

async fn read_answer(response: Response<Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    let retry_after = head
        .headers
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| retry_after(text, SystemTime::now()));
    // Success is known by the status; its body must still come whole, or the answer was cut off.
    match Limited::new(body, ANSWER_LIMIT).collect().await {
        Ok(body) => Answer::Status {
            code: head.status.as_u16(),
            retry_after,
            body: String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        },
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Answer::Status {
            code: head.status.as_u16(),
            retry_after,
            body: format!("(a body of more than {ANSWER_LIMIT} bytes)"),
        },
        Err(error) => Answer::CutOff(error.to_string()),
    }
}

/// `Retry-After`: seconds, or an HTTP date; at most a day.
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let wait = match text.trim().parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
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
