//! The HTTP side, on the bare protocol: a handler that breaks connections needs its hand on them.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::answer::Answer;
use super::call::Call;
use super::{Gate, Hold, Shared};
use crate::TestkitError;

type Body = BoxBody<Bytes, Broken>;

/// Ends the connection instead of an answer.
#[derive(Debug, thiserror::Error)]
#[error("the test handler breaks the connection")]
pub(super) struct Broken;

/// A listening handler.
pub(super) struct Server {
    accepting: JoinHandle<()>,
}

impl Server {
    pub(super) async fn start(port: u16, shared: Arc<Shared>) -> Result<Self, TestkitError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .map_err(TestkitError::system(format!("listening as a handler on port {port}")))?;
        Ok(Self { accepting: tokio::spawn(accept(listener, shared)) })
    }

    /// Returns when the port is free and every connection is broken.
    pub(super) async fn stop(mut self) {
        self.accepting.abort();
        // Its end by the abort is what is awaited.
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Serves until it is aborted. The connections are its own tasks: they end with it.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let deaths = watch::Sender::new(0_u64);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, Arc::clone(&shared), deaths.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>, deaths: watch::Sender<u64>) {
    // A latency of the test's own making would be taken for the worker's.
    let _ = stream.set_nodelay(true);
    let mut death = deaths.subscribe();
    let service = service_fn(move |request| answer(request, Arc::clone(&shared), deaths.clone()));
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // A broken connection is what the test wanted.
        _ = connection => {}
        _ = death.changed() => {}
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    deaths: watch::Sender<u64>,
) -> Result<Response<Body>, Broken> {
    let body = request.into_body().collect().await.map_err(|_| Broken)?.to_bytes();
    let Ok(call) = serde_json::from_slice::<Call>(&body) else {
        return Ok(respond(400, None));
    };
    let (number, answer) = shared.take(&call);
    // A task of its own: a worker that hangs up does not undo what its handler has begun.
    let work = tokio::spawn(carry_out(answer, call, Arc::clone(&shared), deaths));
    let _ended = Ended { shared, number };
    work.await.unwrap_or(Err(Broken))
}

/// Notes the end of a call, in whatever way it ends.
struct Ended {
    shared: Arc<Shared>,
    number: usize,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.shared.ended(self.number);
    }
}

async fn carry_out(
    answer: Answer,
    call: Call,
    shared: Arc<Shared>,
    deaths: watch::Sender<u64>,
) -> Result<Response<Body>, Broken> {
    let make = async |hold: Option<(Hold, Gate)>| shared.effects.make(&call, hold).await;
    match answer {
        Answer::Handle => Ok(respond(make(None).await, None)),
        Answer::HandleHolding(hold, gate) => Ok(respond(make(Some((hold, gate))).await, None)),
        Answer::HandleThenHang(gate) => {
            let status = make(None).await;
            gate.pass().await;
            Ok(respond(status, None))
        }
        Answer::HangThenHandle(gate) => {
            gate.pass().await;
            Ok(respond(make(None).await, None))
        }
        Answer::Status(code) => Ok(respond(code, None)),
        Answer::RetryAfter(code, seconds) => Ok(respond(code, Some(seconds))),
        Answer::Reset => Err(Broken),
        Answer::HandleThenReset => {
            make(None).await;
            Err(Broken)
        }
        Answer::CutOff => Ok(cut_off()),
        Answer::Die => {
            deaths.send_modify(|count| *count += 1);
            Err(Broken)
        }
    }
}

fn respond(code: u16, retry_after: Option<u64>) -> Response<Body> {
    let text = Bytes::from(format!("{{\"status\":{code}}}"));
    let mut response = Response::new(Full::new(text).map_err(|never: Infallible| match never {}).boxed());
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// The head and a first piece are sent; then the connection breaks.
fn cut_off() -> Response<Body> {
    let pieces = futures::stream::unfold(0, |sent| async move {
        tokio::task::yield_now().await;
        let piece = if sent == 0 { Ok(Frame::data(Bytes::from_static(b"{\"sta"))) } else { Err(Broken) };
        Some((piece, sent + 1))
    });
    Response::new(BodyExt::boxed(StreamBody::new(pieces)))
}
