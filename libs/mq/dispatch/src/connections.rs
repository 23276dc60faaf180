//! Kept connections to one handler, each used by one call at a time.
//!
//! A call drives its connection itself: no other task has to be woken to write its request or to read
//! its answer.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Making a connection may take no longer than this.
pub(crate) const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// Idle connections are dropped before common servers (uvicorn: 5 s) drop them under a request.
const IDLE_LIMIT: Duration = Duration::from_secs(3);

/// Why there was no answer.
pub(crate) enum Broken {
    /// No connection could be made.
    NeverConnected(std::io::Error),
    /// The connection broke: the handler may have had the request.
    CutOff(hyper::Error),
}

/// The idle connections, the longest idle first.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    idle: Mutex<Vec<Connection>>,
}

#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Reads and writes while it is polled; `None` once it has ended.
    io: Option<http1::Connection<TokioIo<TcpStream>, Full<Bytes>>>,
    idle_since: Instant,
}

impl Connections {
    /// Sends a request and returns the head of the answer, with the connection that its body comes on.
    pub(crate) async fn send(
        &self,
        authority: &str,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Connection), Broken> {
        while let Some(mut connection) = self.take() {
            let sent = connection.sender.try_send_request(request);
            match connection.drive(sent).await {
                Ok(response) => return Ok((response, connection)),
                // Closed before anything of the request was written.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(Broken::CutOff(error.into_error())),
                },
            }
        }
        let mut connection = Connection::open(authority).await?;
        let sent = connection.sender.send_request(request);
        let response = connection.drive(sent).await.map_err(Broken::CutOff)?;
        Ok((response, connection))
    }

    /// Keeps a connection whose answer was read to its end, if the handler keeps it open as well.
    pub(crate) fn put_back(&self, mut connection: Connection) {
        if connection.is_free() {
            connection.idle_since = Instant::now();
            self.idle().push(connection);
        }
    }

    /// Closes those that were idle for too long.
    pub(crate) fn close_idle(&self) {
        let now = Instant::now();
        self.idle().retain(|connection| now.saturating_duration_since(connection.idle_since) < IDLE_LIMIT);
    }

    /// The connection that was used last, if it is still open.
    fn take(&self) -> Option<Connection> {
        loop {
            let mut connection = self.idle().pop()?;
            if connection.idle_since.elapsed() < IDLE_LIMIT && connection.is_free() {
                return Some(connection);
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    async fn open(authority: &str) -> Result<Self, Broken> {
        let stream = tokio::time::timeout(CONNECT_LIMIT, TcpStream::connect(authority))
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            .map_err(Broken::NeverConnected)?;
        stream.set_nodelay(true).map_err(Broken::NeverConnected)?;
        let (sender, io) = http1::handshake(TokioIo::new(stream)).await.map_err(Broken::CutOff)?;
        Ok(Self { sender, io: Some(io), idle_since: Instant::now() })
    }

    /// Waits for `exchange`, which needs this connection to go on.
    pub(crate) async fn drive<F: Future>(&mut self, exchange: F) -> F::Output {
        let mut exchange = std::pin::pin!(exchange);
        poll_fn(|cx| {
            if let Poll::Ready(output) = exchange.as_mut().poll(cx) {
                return Poll::Ready(output);
            }
            self.poll(cx);
            exchange.as_mut().poll(cx)
        })
        .await
    }

    /// Reads and writes what there is. A failure ends the exchange, which tells it.
    fn poll(&mut self, cx: &mut Context<'_>) {
        if let Some(io) = &mut self.io
            && Pin::new(io).poll(cx).is_ready()
        {
            self.io = None;
        }
    }

    /// True when it is open and nothing is under way on it.
    fn is_free(&mut self) -> bool {
        self.poll(&mut Context::from_waker(Waker::noop()));
        self.io.is_some() && self.sender.is_ready()
    }
}
