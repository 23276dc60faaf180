//! The HTTP side, on the bare protocol: a handler that breaks connections needs its hand on them.

use std::net::Ipv4Addr;
use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::answer::Answer;
use super::call::Call;
use super::reply::{Body, Broken, Reply, capabilities, cut_off, json, respond};
use super::{Gate, Hold, Shared};
use crate::TestkitError;

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
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.map_err(|_| Broken)?.to_bytes();
    match (path.rsplit('/').next(), shared.batches()) {
        (Some("capabilities"), Some(most)) => Ok(capabilities(most)),
        (Some("batch"), Some(most)) => match serde_json::from_slice::<Vec<Call>>(&body) {
            Ok(calls) if calls.len() <= most => batch(calls, &shared, &deaths).await,
            Ok(_) => Ok(respond(&Reply::of(413))),
            Err(_) => Ok(respond(&Reply::of(400))),
        },
        (Some("capabilities" | "batch"), None) => Ok(respond(&Reply::of(404))),
        (_, _) => match serde_json::from_slice::<Call>(&body) {
            Ok(call) => match single(Call { together: 1, ..call }, shared, deaths).await? {
                Reply { cut_off: true, .. } => Ok(cut_off()),
                reply => Ok(respond(&reply)),
            },
            Err(_) => Ok(respond(&Reply::of(400))),
        },
    }
}

async fn single(call: Call, shared: Arc<Shared>, deaths: watch::Sender<u64>) -> Result<Reply, Broken> {
    let (number, answer) = shared.take(&call);
    // A task of its own: a worker that hangs up does not undo what its handler has begun.
    let work = tokio::spawn(carry_out(answer, call, Arc::clone(&shared), deaths));
    let _ended = Ended { shared, number };
    work.await.unwrap_or(Err(Broken))
}

/// All of them at once, each in a transaction of its own. One that breaks the connection breaks it for
/// all.
async fn batch(
    calls: Vec<Call>,
    shared: &Arc<Shared>,
    deaths: &watch::Sender<u64>,
) -> Result<Response<Body>, Broken> {
    let together = calls.len();
    let replies =
        calls.into_iter().map(|call| single(Call { together, ..call }, Arc::clone(shared), deaths.clone()));
    let replies = futures::future::try_join_all(replies).await?;
    if replies.iter().any(|reply| reply.cut_off) {
        return Ok(cut_off());
    }
    let outcomes: Vec<_> = replies.iter().map(Reply::outcome).collect();
    Ok(json(&outcomes))
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
) -> Result<Reply, Broken> {
    let make = async |hold: Option<(Hold, Gate)>| shared.effects.make(&call, hold).await;
    match answer {
        Answer::Handle => Ok(Reply::of(make(None).await)),
        Answer::HandleHolding(hold, gate) => Ok(Reply::of(make(Some((hold, gate))).await)),
        Answer::HandleThenHang(gate) => {
            let status = make(None).await;
            gate.pass().await;
            Ok(Reply::of(status))
        }
        Answer::HangThenHandle(gate) => {
            gate.pass().await;
            Ok(Reply::of(make(None).await))
        }
        Answer::Status(code) => Ok(Reply::of(code)),
        Answer::RetryAfter(code, seconds) => Ok(Reply { retry_after: Some(seconds), ..Reply::of(code) }),
        Answer::Reset => Err(Broken),
        Answer::HandleThenReset => {
            make(None).await;
            Err(Broken)
        }
        Answer::CutOff => Ok(Reply { cut_off: true, ..Reply::of(200) }),
        Answer::Die => {
            deaths.send_modify(|count| *count += 1);
            Err(Broken)
        }
    }
}
