//! The HTTP side of a handler that keeps every rule, but for the one it is told to break.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use sha2::Sha256;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::context::{Context, SECRET};
use crate::logic::{Handler, Reply};

pub const MAX_EVENTS: usize = 20;

/// A running handler; it ends with this.
pub struct Server {
    pub url: String,
    accepting: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Server {
    /// One that breaks this rule, or `""` for none.
    pub async fn start(context: &Context, fault: &'static str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/handle", listener.local_addr().unwrap());
        let handler = Arc::new(Handler::new(context.app().await, &context.name, fault));
        Self { url, accepting: tokio::spawn(accept(listener, handler)) }
    }
}

async fn accept(listener: TcpListener, handler: Arc<Handler>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                connections.spawn(serve(stream, Arc::clone(&handler)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, handler: Arc<Handler>) {
    let lives = if handler.breaks("connections live for 2 s") { 2 } else { 60 };
    let service = service_fn(move |request| answer(request, Arc::clone(&handler)));
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // Whoever hangs up breaks it.
    let _ = tokio::time::timeout(Duration::from_secs(lives), connection).await;
}

async fn answer(
    request: Request<Incoming>,
    handler: Arc<Handler>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let reply = route(request, &handler).await;
    let response = Response::builder().status(reply.status).header("content-type", "text/plain");
    Ok(response.body(Full::new(Bytes::from(reply.text))).unwrap())
}

async fn route(request: Request<Incoming>, handler: &Handler) -> Reply {
    let (head, body) = request.into_parts();
    let Some(body) = collected(body, handler).await else { return Reply::of(400, "cut off") };
    let path = head.uri.path();
    if let Some(refused) = refused(handler, path, &head.headers, &body) {
        return refused;
    }
    match (&head.method, path) {
        (&Method::GET, "/health/live") if handler.breaks("live is 500") => Reply::of(500, ""),
        (&Method::GET, "/health/ready") if handler.breaks("ready is 500") => Reply::of(500, ""),
        (&Method::GET, "/health/live" | "/health/ready") => Reply::of(200, "well"),
        (&Method::GET, "/handle/capabilities") => capabilities(handler),
        (&Method::POST, "/handle/batch") => handler.batch(&body).await,
        (&Method::POST, "/handle") => {
            let trace = head.headers.get("traceparent").and_then(|value| value.to_str().ok());
            handler.single(&body, trace.map(str::to_owned)).await
        }
        _ => Reply::of(404, "nothing is here"),
    }
}

async fn collected(mut body: Incoming, handler: &Handler) -> Option<Vec<u8>> {
    let (mut all, mut begun) = (Vec::new(), false);
    while let Some(frame) = body.frame().await {
        all.extend(frame.ok()?.into_data().unwrap_or_default());
        begun |= handler.begins(&all);
    }
    if begun {
        handler.ends(&all);
    }
    Some(all)
}

fn capabilities(handler: &Handler) -> Reply {
    let events = json!([{ "event_type": "coin_thrown", "event_version": 1 }]);
    let events = if handler.breaks("events are not listed") { json!([]) } else { events };
    let contract = if handler.breaks("another contract") { 2 } else { 1 };
    Reply::of(
        200,
        &json!({ "contract": contract, "batch": { "max_events": MAX_EVENTS }, "events": events }).to_string(),
    )
}

fn refused(handler: &Handler, path: &str, headers: &HeaderMap, body: &[u8]) -> Option<Reply> {
    let unsigned = !headers.contains_key("webhook-signature");
    let open = match path {
        "/health/live" | "/health/ready" => !handler.breaks("health wants a signature"),
        "/handle/capabilities" => unsigned && handler.breaks("unsigned capabilities"),
        "/handle/batch" => unsigned && handler.breaks("unsigned batches"),
        _ => {
            unsigned && handler.breaks("unsigned calls")
                || handler.breaks("reads before it refuses")
                    && serde_json::from_slice::<serde_json::Value>(body).is_err()
        }
    };
    (!open && !is_signed(handler, headers, body)).then(|| Reply::of(401, "not signed as it should be"))
}

fn is_signed(handler: &Handler, headers: &HeaderMap, body: &[u8]) -> bool {
    let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let at: i64 = said("webhook-timestamp").parse().unwrap_or_default();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let off = (i64::try_from(now).unwrap() - at).abs();
    if off > 300 && !handler.breaks("old signatures") {
        return false;
    }
    let key = STANDARD.decode(SECRET.trim_start_matches("whsec_")).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{}.{at}.", said("webhook-id")).as_bytes());
    mac.update(body);
    let right = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    let mut signatures = said("webhook-signature").split(' ');
    if handler.breaks("any signature") {
        return signatures.next().is_some_and(|first| first.starts_with("v1,"));
    }
    let most = if handler.breaks("one signature only") { 1 } else { usize::MAX };
    signatures.take(most).any(|signature| signature == right)
}
