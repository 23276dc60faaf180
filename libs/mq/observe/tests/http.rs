//! Health and metrics over real HTTP.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sea_mq_event::ContextName;
use sea_mq_observe::metric::{self, Kind, METRICS};
use sea_mq_observe::{Clock, Health, HttpServer, Metrics, ObserveError, Progress, Status};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const LOOPBACK: &str = "127.0.0.1:0";

struct Running {
    addr: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<Result<(), ObserveError>>,
}

async fn serve(health: Health) -> Running {
    let metrics = Metrics::install(&ContextName::parse("sea").unwrap()).unwrap();
    let server = HttpServer::bind(LOOPBACK.parse().unwrap(), health, metrics).await.unwrap();
    let (addr, stop) = (server.local_addr(), CancellationToken::new());
    Running { addr, stop: stop.clone(), task: tokio::spawn(server.run(stop)) }
}

impl Running {
    /// Status code, head and body of a GET.
    async fn get(&self, path: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), head.to_lowercase(), body.to_owned())
    }

    async fn json(&self, path: &str) -> (u16, Value) {
        let (code, _, body) = self.get(path).await;
        (code, serde_json::from_str(&body).unwrap())
    }
}

/// A clock that stands still until it is moved.
fn hand_clock() -> (Clock, impl Fn(u64)) {
    let now = Arc::new(Mutex::new(Instant::now()));
    let shown = Arc::clone(&now);
    let clock = Clock::from_fn(move || *shown.lock().unwrap());
    (clock, move |secs| *now.lock().unwrap() += Duration::from_secs(secs))
}

#[tokio::test]
async fn ready_when_everything_is_up_and_not_when_draining() {
    let health = Health::new(&["nats", "database"]);
    let server = serve(health.clone()).await;
    health.set("database", Status::Up);
    health.set("nats", Status::down("connection refused"));
    let (code, answer) = server.json("/health/ready").await;
    let expected = json!({"status": "not_ready", "checks": {
        "database": {"status": "up"}, "nats": {"status": "down", "why": "connection refused"},
    }});
    assert_eq!((code, answer), (503, expected));

    health.set("nats", Status::Up);
    let (code, answer) = server.json("/health/ready").await;
    assert_eq!((code, &answer["status"]), (200, &json!("ready")));

    health.drain();
    let (code, answer) = server.json("/health/ready").await;
    assert_eq!((code, &answer["status"]), (503, &json!("draining")));
}

#[tokio::test]
async fn not_ready_before_a_check_has_reported_and_with_no_check_at_all() {
    for (expected, code) in [(&["nats"][..], 503), (&[], 503)] {
        let server = serve(Health::new(expected)).await;
        assert_eq!(server.get("/health/ready").await.0, code, "{expected:?}");
    }
    let health = Health::new(&["nats"]);
    let (code, answer) = serve(health).await.json("/health/ready").await;
    assert_eq!((code, &answer["checks"]["nats"]["why"]), (503, &json!("has not reported yet")));
}

#[tokio::test]
async fn waiting_work_that_does_not_settle_is_not_ready() {
    let (clock, pass) = hand_clock();
    let health = Health::with_clock(&[], clock.clone());
    let progress = Progress::with_clock("dispatch", Duration::from_secs(30), clock);
    health.watch(progress.clone());
    let server = serve(health).await;
    for (waiting, secs, settled, code) in [
        (false, 99, false, 200),
        (true, 30, false, 200),
        (true, 1, false, 503),
        (true, 0, true, 200),
        (true, 31, false, 503),
        (false, 0, false, 200),
    ] {
        progress.waiting(waiting);
        pass(secs);
        if settled {
            progress.settled();
        }
        let (got, answer) = server.json("/health/ready").await;
        assert_eq!(got, code, "{waiting} {secs} {settled}: {answer}");
        let gauge =
            format!("progress_stalled{{context=\"sea\",progress=\"dispatch\"}} {}", u8::from(code == 503));
        let (_, _, body) = server.get("/metrics").await;
        assert!(body.contains(&gauge), "{gauge} is not in {body}");
    }
}

#[tokio::test]
async fn live_while_every_task_beats() {
    let (clock, pass) = hand_clock();
    let health = Health::with_clock(&[], clock);
    let [publisher, ingest] = ["publisher", "ingest"].map(|task| health.pulse(task, Duration::from_secs(10)));
    let server = serve(health).await;
    pass(10);
    assert_eq!(server.json("/health/live").await, (200, json!({"status": "live", "stuck": []})));
    publisher.beat();
    pass(1);
    let stuck = json!([{"task": "ingest", "silent_secs": 11, "bound_secs": 10}]);
    assert_eq!(server.json("/health/live").await, (503, json!({"status": "stuck", "stuck": stuck})));
    ingest.retire();
    assert_eq!(server.get("/health/live").await.0, 200);
    drop(publisher);
    pass(100);
    assert_eq!(server.get("/health/live").await.0, 503, "a dropped pulse is not forgotten");
}

#[tokio::test]
async fn every_declared_metric_is_shown_once_touched() {
    let server = serve(Health::new(&[])).await;
    let (code, head, body) = server.get("/metrics").await;
    assert_eq!(code, 200);
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    assert!(body.contains("outbox_published_total{context=\"sea\"} 0"), "{body}");

    touch_all();
    let (_, _, body) = server.get("/metrics").await;
    for metric in METRICS {
        let kind = format!("{:?}", metric.kind).to_lowercase();
        for line in
            [format!("# TYPE {} {kind}\n", metric.name), format!("# HELP {} {}\n", metric.name, metric.help)]
        {
            assert!(body.contains(&line), "{line} is not in {body}");
        }
        assert!(body.lines().any(|line| line.starts_with(metric.name)), "{}", metric.name);
    }
    assert!(body.contains("publish_latency_ms_bucket{context=\"sea\",le=\"5\"} 1"), "{body}");
    assert!(
        body.contains("dead_letters_total{context=\"sea\",consumer=\"c\",reason=\"poison\"} 1"),
        "{body}"
    );
}

/// Every metric through its own function; the count shows that none is forgotten.
fn touch_all() {
    let counters = [
        metric::outbox_published_total(),
        metric::publish_failures_total("timeout"),
        metric::consumer_redelivery_count("c"),
        metric::stream_recreated_total("c"),
        metric::stream_rewound_total("c"),
        metric::stream_dropped_total("c"),
        metric::inbox_recorded_total("c"),
        metric::inbox_duplicates_total("c"),
        metric::handler_calls_total("c", "processed"),
        metric::handler_failures_total("c", "vibe_created"),
        metric::dead_letters_total("c", "poison"),
    ];
    let gauges = [
        metric::outbox_unpublished_count(),
        metric::outbox_oldest_unpublished_age_seconds(),
        metric::outbox_parked_count(),
        metric::jetstream_consumer_num_pending("c"),
        metric::consumer_ack_pending("c"),
        metric::stream_messages_pending("c"),
        metric::inbox_unprocessed_count("c"),
        metric::inbox_waiting_count("c"),
        metric::lanes_owned("publisher"),
        metric::progress_stalled("of_this_test"),
        metric::broker_connected(),
        metric::database_connected(),
    ];
    let histograms = [
        metric::publish_latency_ms(),
        metric::message_processing_latency_ms("c"),
        metric::commit_to_handled_latency_ms("c"),
    ];
    let declared = |kind| METRICS.iter().filter(|metric| metric.kind == kind).count();
    assert_eq!(counters.len(), declared(Kind::Counter));
    assert_eq!(gauges.len(), declared(Kind::Gauge));
    assert_eq!(histograms.len(), declared(Kind::Histogram));
    counters.iter().for_each(|counter| counter.increment(1));
    gauges.iter().for_each(|gauge| gauge.set(1.0));
    histograms.iter().for_each(|histogram| histogram.record(4.0));
}

#[tokio::test]
async fn a_taken_port_is_explained() {
    let server = serve(Health::new(&[])).await;
    let metrics = Metrics::install(&ContextName::parse("sea").unwrap()).unwrap();
    let error = HttpServer::bind(server.addr, Health::new(&[]), metrics).await.unwrap_err().to_string();
    for part in [server.addr.to_string().as_str(), "health and metrics", "METRICS_PORT"] {
        assert!(error.contains(part), "{part} is not in {error}");
    }
}

#[tokio::test]
async fn stops_though_a_connection_stays_open() {
    let server = serve(Health::new(&[])).await;
    let idle = TcpStream::connect(server.addr).await.unwrap();
    assert_eq!(server.get("/nothing").await.0, 404);
    server.stop.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(10), server.task).await;
    ended.expect("it ends").unwrap().unwrap();
    drop(idle);
    let again = tokio::net::TcpListener::bind(server.addr).await;
    assert!(again.is_ok(), "the port is free again: {again:?}");
}
