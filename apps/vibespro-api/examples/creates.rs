//! How many vibes a second `vibespro-api` creates: a real Postgres that writes to disk, the real
//! program, and callers over kept connections, all on this machine.
//!
//! ```text
//! cargo build --release -p vibespro-api
//! cargo run --release -p vibespro-api --example creates -- --seconds 10 --connections 32
//! ```
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use clap::Parser;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use sea_mq_database::{ContextUrls, Password, ProvisionRequest, provision};
use sea_mq_event::ContextName;
use sea_mq_stack::{
    Binaries, Launch, Postgres, PostgresOptions, Process, StateDir, free_port, workspace_binary,
};
use sqlx::{Connection, PgConnection};
use tokio::net::TcpStream;
use vibespro_public_api::migrate;

const USERS: usize = 50;
const READY_WITHIN: Duration = Duration::from_secs(20);

#[derive(Clone, Debug, Parser)]
struct Load {
    /// How long.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Callers at a time, each on a connection of its own.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Every request with an idempotency key of its own.
    #[arg(long)]
    keys: bool,
}

#[tokio::main]
async fn main() {
    let load = Load::parse();
    let (binaries, state) = (Binaries::find().unwrap(), StateDir::temporary().unwrap());
    let postgres = Postgres::start(&binaries, &state, PostgresOptions::default()).await.unwrap();
    let urls = provisioned(&postgres).await;
    migrate(urls.migrator.as_deref().unwrap()).await.unwrap();
    let address = format!("127.0.0.1:{}", free_port().unwrap());
    let api = start_api(&state, &urls.app, &address).await;
    for user in 0..USERS {
        let mut caller = connect(&address).await;
        let (status, _) =
            send(&mut caller, "PUT", &format!("/v1/users/u{user}"), None, "{\"name\":\"U\"}").await;
        assert_eq!(status, StatusCode::CREATED);
    }
    // Connections are opened and statements prepared.
    run(&address, &Load { seconds: 1, ..load.clone() }).await;
    let before = stored(&urls.app).await;
    let started = Instant::now();
    let mut latencies = run(&address, &load).await;
    let took = started.elapsed();
    let after = stored(&urls.app).await;
    report(&load, took, &mut latencies);
    let made = latencies.len() as i64;
    assert_eq!((after.0 - before.0, after.1 - before.1), (made, made), "vibes and events");
    println!("{made} answers, {made} vibes, {made} events");
    drop(api);
}

async fn provisioned(postgres: &Postgres) -> ContextUrls {
    let password = || Password::new("load", "secret").unwrap();
    let mut request = ProvisionRequest::new(ContextName::parse("vibespro").unwrap(), password(), password());
    request.migrator_password = Some(password());
    provision(&postgres.admin_url(), &request).await.unwrap().urls
}

async fn start_api(state: &StateDir, db_url: &str, address: &str) -> Process {
    let program = workspace_binary("vibespro-api").unwrap();
    let launch = Launch::new("vibespro-api", program).env("DB_URL", db_url).env("LISTEN", address);
    let api = launch.start(state).await.unwrap();
    let ready = async {
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(READY_WITHIN, ready).await.expect("vibespro-api did not listen");
    api
}

/// The latency of each create.
async fn run(address: &str, load: &Load) -> Vec<Duration> {
    let until = Instant::now() + Duration::from_secs(load.seconds);
    let address: Arc<str> = address.into();
    let callers: Vec<_> = (0..load.connections)
        .map(|number| tokio::spawn(create_until(address.clone(), number, load.keys, until)))
        .collect();
    let mut latencies = Vec::new();
    for caller in callers {
        latencies.extend(caller.await.unwrap());
    }
    latencies
}

async fn create_until(address: Arc<str>, number: usize, keys: bool, until: Instant) -> Vec<Duration> {
    let mut caller = connect(&address).await;
    let mut latencies = Vec::new();
    while Instant::now() < until {
        let user = (number + latencies.len()) % USERS;
        let body =
            format!(r#"{{"user_id":"u{user}","title":"A calm evening","description":"slow and low"}}"#);
        let key = keys.then(|| uuid::Uuid::new_v4().to_string());
        let started = Instant::now();
        let (status, answer) = send(&mut caller, "POST", "/v1/vibes", key.as_deref(), &body).await;
        assert_eq!(status, StatusCode::CREATED, "{}", String::from_utf8_lossy(&answer));
        latencies.push(started.elapsed());
    }
    latencies
}

async fn connect(address: &str) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (caller, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    caller
}

async fn send(
    caller: &mut SendRequest<Full<Bytes>>,
    method: &str,
    path: &str,
    key: Option<&str>,
    body: &str,
) -> (StatusCode, Bytes) {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "127.0.0.1")
        .header("content-type", "application/json");
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap();
    caller.ready().await.unwrap();
    let answer = caller.send_request(request).await.unwrap();
    (answer.status(), answer.into_body().collect().await.unwrap().to_bytes())
}

/// Vibes and events.
async fn stored(url: &str) -> (i64, i64) {
    let sql = "SELECT (SELECT count(*) FROM vibes), (SELECT count(*) FROM outbox_events)";
    sqlx::query_as(sql).fetch_one(&mut PgConnection::connect(url).await.unwrap()).await.unwrap()
}

fn report(load: &Load, took: Duration, latencies: &mut [Duration]) {
    latencies.sort_unstable();
    let at = |share: usize| latencies[(latencies.len() - 1) * share / 1_000].as_secs_f64() * 1_000.0;
    println!(
        "{:.0} creates/s over {:.1} s from {} connections{}",
        latencies.len() as f64 / took.as_secs_f64(),
        took.as_secs_f64(),
        load.connections,
        if load.keys { ", each with an idempotency key" } else { "" },
    );
    println!(
        "p50 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms, max {:.1} ms",
        at(500),
        at(990),
        at(999),
        at(1_000)
    );
}
