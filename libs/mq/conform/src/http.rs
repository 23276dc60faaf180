//! Requests to the handler, whole ones and broken ones.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::{Method, Request, Response, Uri, body::Incoming, header};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::ConformError;
use crate::verdict::{Answer, Came};

/// Of an answer no more than this is read; the answer to a batch of 1000 events has room in it.
const ANSWER_LIMIT: usize = 16 * 1024 * 1024;

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Call,
    Batch,
    Capabilities,
    Live,
    Ready,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) place: Place,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

impl Ask {
    pub(crate) fn get(place: Place) -> Self {
        Self { place, headers: Vec::new(), body: Bytes::new() }
    }

    pub(crate) fn post(place: Place, body: Bytes) -> Self {
        Self { place, headers: vec![("content-type", "application/json".to_owned())], body }
    }

    fn method(&self) -> Method {
        match self.place {
            Place::Call | Place::Batch => Method::POST,
            Place::Capabilities | Place::Live | Place::Ready => Method::GET,
        }
    }
}

/// The handler's address.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    authority: String,
    host: String,
    path: String,
    query: String,
    timeout: Duration,
}

impl Http {
    /// A handler at `url` that has `timeout` for a whole answer.
    pub(crate) fn new(url: &str, timeout: Duration) -> Result<Self, ConformError> {
        let refused = |why: &str| ConformError::Url { url: url.to_owned(), why: why.to_owned() };
        let parsed: Uri = url.parse().map_err(|e: hyper::http::uri::InvalidUri| refused(&e.to_string()))?;
        if parsed.scheme_str() != Some("http") {
            return Err(refused("the scheme is not http"));
        }
        let host = parsed.host().ok_or_else(|| refused("it names no host"))?;
        Ok(Self {
            authority: format!("{host}:{}", parsed.port_u16().unwrap_or(80)),
            host: parsed.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
            path: parsed.path().to_owned(),
            query: parsed.query().map(|query| format!("?{query}")).unwrap_or_default(),
            timeout,
        })
    }

    /// Tries to connect, and no more.
    pub(crate) async fn probe(&self) -> Result<(), ConformError> {
        let refused = |why| ConformError::NoHandler { authority: self.authority.clone(), why };
        self.connect().await.map(drop).map_err(refused)
    }

    /// One request on a connection of its own.
    pub(crate) async fn send(&self, ask: &Ask) -> Came {
        self.open().await?.send(ask).await
    }

    /// A connection for several requests.
    pub(crate) async fn open(&self) -> Result<Kept<'_>, String> {
        let stream = self.connect().await?;
        let (sender, io) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
        Ok(Kept { http: self, sender, io: Some(io) })
    }

    /// Begins a request with so many bytes of its body. Dropping the connection hangs up.
    pub(crate) async fn begin(&self, ask: &Ask, body_bytes: usize) -> Result<TcpStream, String> {
        let mut stream = self.connect().await?;
        let headers: String =
            ask.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!(
            "{} {} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n{headers}\r\n",
            ask.method(),
            self.target(ask.place),
            self.host,
            ask.body.len(),
        );
        let body = &ask.body[..body_bytes.min(ask.body.len())];
        let sent = [head.as_bytes(), body].concat();
        stream.write_all(&sent).await.map_err(|error| error.to_string())?;
        stream.flush().await.map_err(|error| error.to_string())?;
        Ok(stream)
    }

    async fn connect(&self) -> Result<TcpStream, String> {
        let connecting = tokio::time::timeout(Duration::from_secs(2), TcpStream::connect(&self.authority));
        let stream = match connecting.await {
            Ok(connected) => connected.map_err(|error| error.to_string())?,
            Err(_elapsed) => return Err("no connection within 2 s".to_owned()),
        };
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        Ok(stream)
    }

    fn target(&self, place: Place) -> String {
        let below = self.path.trim_end_matches('/');
        let path = match place {
            Place::Call => self.path.clone(),
            Place::Batch => format!("{below}/batch"),
            Place::Capabilities => format!("{below}/capabilities"),
            Place::Live => return "/health/live".to_owned(),
            Place::Ready => return "/health/ready".to_owned(),
        };
        format!("{path}{}", self.query)
    }

    fn request(&self, ask: &Ask) -> Result<Request<Full<Bytes>>, String> {
        let request = Request::builder().method(ask.method()).uri(self.target(ask.place));
        let request = request.header(header::HOST, &self.host);
        let request = ask.headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        request.body(Full::new(ask.body.clone())).map_err(|error| error.to_string())
    }
}

/// An open connection.
pub(crate) struct Kept<'a> {
    http: &'a Http,
    sender: SendRequest<Full<Bytes>>,
    /// `None` once it has ended.
    io: Option<Connection<TokioIo<TcpStream>, Full<Bytes>>>,
}

impl Kept<'_> {
    pub(crate) async fn send(&mut self, ask: &Ask) -> Came {
        let request = self.http.request(ask)?;
        let sent = self.sender.send_request(request);
        let exchange = async { read(sent.await.map_err(|error| chain(&error))?).await };
        let timeout = self.http.timeout;
        let bounded = tokio::time::timeout(timeout, drive(&mut self.io, exchange));
        bounded.await.unwrap_or_else(|_| Err(format!("nothing within {} s", timeout.as_secs())))
    }

    /// Leaves it idle. False when the handler closed it meanwhile.
    pub(crate) async fn idle(&mut self, how_long: Duration) -> bool {
        drive(&mut self.io, tokio::time::sleep(how_long)).await;
        self.io.is_some()
    }
}

/// Waits for `exchange`, which needs the connection to go on.
async fn drive<F: Future>(
    io: &mut Option<Connection<TokioIo<TcpStream>, Full<Bytes>>>,
    exchange: F,
) -> F::Output {
    let mut exchange = pin!(exchange);
    if let Some(connection) = io {
        tokio::select! {
            biased;
            output = &mut exchange => return output,
            // A failure ends the exchange, which tells it.
            _ended = connection => {}
        }
        *io = None;
    }
    exchange.await
}

async fn read(response: Response<Incoming>) -> Came {
    let (head, body) = response.into_parts();
    let closes = head.headers.get(header::CONNECTION).is_some_and(|value| value == "close");
    let body = Limited::new(body, ANSWER_LIMIT).collect().await.map_err(|error| error.to_string())?;
    let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    Ok(Answer { code: head.status.as_u16(), body, closes })
}

fn chain(error: &hyper::Error) -> String {
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{source}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::{Http, Place};

    #[test]
    fn places_are_below_the_url() {
        let http = Http::new("http://h:7001/handle?k=1", Duration::from_secs(1)).unwrap();
        assert_eq!(http.target(Place::Call), "/handle?k=1");
        assert_eq!(http.target(Place::Batch), "/handle/batch?k=1");
        assert_eq!(http.target(Place::Capabilities), "/handle/capabilities?k=1");
        assert_eq!(http.target(Place::Live), "/health/live");
        let root = Http::new("http://h", Duration::from_secs(1)).unwrap();
        assert_eq!(
            (root.target(Place::Call), root.target(Place::Batch)),
            ("/".to_owned(), "/batch".to_owned())
        );
        for bad in ["", "https://h/handle", "/handle", "http://"] {
            assert!(Http::new(bad, Duration::from_secs(1)).is_err(), "{bad}");
        }
    }
}
