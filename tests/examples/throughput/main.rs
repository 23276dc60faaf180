//! How fast a backlog drains and is consumed, beside a bare client and plain loops on the same
//! servers:
//!
//! ```text
//! cargo build --release -p sea-mq-worker && cargo run --release -p sea-mq-tests --example throughput
//! ```
//!
//! Arguments: events (100000), NATS nodes (1), and one of: `fastapi`, to consume with a FastAPI handler
//! instead, beside what that handler sustains under a load generator; `sdk`, for a handler on the Python SDK
//! that has a transaction for each event, or takes batches, and for one in a Rust worker's own process;
//! `latency`, for the time from commit to call at 500 events a second. Prints what it measures.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod fastapi;
mod handler;
mod latency;
mod plain;
mod sdk;

use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use sea_mq_testkit::{ServerChoice, TestContext, WorkerLaunch, WorkerProcess, World, WorldOptions};

use fastapi::FastApi;
use handler::instant_handler;
use plain::Record;

const WINDOW: usize = 4096;
const LIMIT: Duration = Duration::from_secs(300);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let events: usize = arguments.next().map_or(100_000, |n| n.parse().unwrap());
    let nodes: usize = arguments.next().map_or(1, |n| n.parse().unwrap());
    let world = World::start(WorldOptions {
        servers: ServerChoice::Own(nodes),
        max_ack_pending: 1000,
        max_bytes: 4_000_000_000,
        ack_wait: Duration::from_secs(120),
        ..WorldOptions::default()
    })
    .await?;
    println!("{events} events of 512 bytes, {nodes} node(s)");
    match arguments.next().as_deref() {
        Some("fastapi") => return through_fastapi(&world, events).await,
        Some("sdk") => return sdk::measure(&world, events).await,
        Some("latency") => return latency::measure(&world, events).await,
        Some(_) | None => {}
    }
    println!("bare client      {:>8.0}/s", bare_client(&world, events).await?);
    println!("plain drained    {:>8.0}/s", plain::drain(&world, events).await?);
    println!("plain consumed   {:>8.0}/s", plain::consume(&world, events, Record::Id).await?);
    println!("  with bodies    {:>8.0}/s", plain::consume(&world, events, Record::All).await?);
    remove_messages(&world).await?;
    commit(&world, events).await?;
    println!("outbox drained   {:>8.0}/s", drain(&world, events).await?);
    println!("inbox consumed   {:>8.0}/s", consume(&world, events, &instant_handler().await?).await?);
    Ok(())
}

/// The load generator before and after: a machine that others use is not the same for long.
async fn through_fastapi(world: &World, events: usize) -> Result<(), Box<dyn std::error::Error>> {
    let fastapi = FastApi::start().await?;
    commit(world, events).await?;
    drain(world, events).await?;
    println!("FastAPI sustains {:>8.0}/s", fastapi.sustained().await?);
    println!("through a worker {:>8.0}/s", consume(world, events, &fastapi.url).await?);
    println!("FastAPI sustains {:>8.0}/s", fastapi.sustained().await?);
    Ok(())
}

fn body(n: usize) -> String {
    let filling = "x".repeat(480);
    format!("{{\"n\": {n:>10}, \"filling\": \"{filling}\"}}")
}

/// Publishes the same number of the same bodies to the same stream, with awaited acks. Its messages
/// are removed again.
async fn bare_client(world: &World, events: usize) -> Result<f64, Box<dyn std::error::Error>> {
    let context = world.context("vibespro")?;
    let subject = context.subject("bare");
    let stream = world.jetstream().get_stream(context.name.event_stream()).await?;
    let began = Instant::now();
    let mut acks = FuturesUnordered::new();
    for n in 0..events {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Nats-Msg-Id", uuid::Uuid::new_v4().to_string());
        let ack = world.jetstream().publish_with_headers(subject.clone(), headers, body(n).into()).await?;
        acks.push(std::future::IntoFuture::into_future(ack));
        if acks.len() >= WINDOW {
            acks.next().await.unwrap()?;
        }
    }
    while let Some(ack) = acks.next().await {
        ack?;
    }
    let rate = rate(events, began.elapsed());
    stream.purge().await?;
    Ok(rate)
}

async fn remove_messages(world: &World) -> Result<(), Box<dyn std::error::Error>> {
    let name = world.context("vibespro")?.name.event_stream();
    world.jetstream().get_stream(name).await?.purge().await?;
    Ok(())
}

async fn commit(world: &World, events: usize) -> Result<(), Box<dyn std::error::Error>> {
    let context = world.context("vibespro")?;
    for from in (0..events).step_by(10_000) {
        let to = (from + 10_000).min(events) - 1;
        sqlx::query(
            "INSERT INTO outbox_events (id, subject, payload, occurred_at, aggregate_type, aggregate_id)
             SELECT gen_random_uuid(), $1, jsonb_build_object('n', n, 'filling', repeat('x', 480)),
                    clock_timestamp(), 'vibe', 'v-' || n % 5000
             FROM generate_series($2::int, $3::int) n",
        )
        .bind(context.subject("vibe_created"))
        .bind(i32::try_from(from)?)
        .bind(i32::try_from(to)?)
        .execute(&context.app)
        .await?;
    }
    Ok(())
}

async fn drain(world: &World, events: usize) -> Result<f64, Box<dyn std::error::Error>> {
    let context = world.context("vibespro")?;
    let _worker = world.worker("vibespro").start().await?;
    let all = i64::try_from(events)?;
    rest(context, "SELECT count(*) FROM (SELECT FROM outbox_events WHERE state = 'ready' LIMIT 1) r").await?;
    let published = context.count("SELECT count(*) FROM outbox_events WHERE state = 'published'").await?;
    assert_eq!(published, all);
    let millis = context
        .count("SELECT (extract(epoch FROM max(published_at) - min(published_at)) * 1000)::bigint FROM outbox_events")
        .await?;
    Ok(rate(events, Duration::from_millis(millis.unsigned_abs())))
}

/// Waits until a count is 0, without taking much of the machine that is measured.
async fn rest(context: &TestContext, count: &str) -> Result<(), Box<dyn std::error::Error>> {
    let began = Instant::now();
    let mut looks = tokio::time::interval(Duration::from_millis(200));
    while context.count(count).await? > 0 {
        if began.elapsed() > LIMIT {
            return Err(format!("not done after {LIMIT:?}: {count}").into());
        }
        looks.tick().await;
    }
    Ok(())
}

async fn last_sequence(world: &World) -> Result<u64, Box<dyn std::error::Error>> {
    let name = world.context("vibespro")?.name.event_stream();
    Ok(world.jetstream().get_stream(name).await?.cached_info().state.last_sequence)
}

async fn consumer(world: &World, handler_url: &str) -> Result<WorkerProcess, Box<dyn std::error::Error>> {
    let worker = tuned(world, world.worker("sea"))?.env("HANDLER_URL", handler_url);
    Ok(worker.start().await?)
}

/// A worker as all that is measured here has it.
fn tuned<'a>(
    world: &World,
    worker: WorkerLaunch<'a>,
) -> Result<WorkerLaunch<'a>, Box<dyn std::error::Error>> {
    let worker = worker
        .env("CONSUME_STREAM", world.context("vibespro")?.name.event_stream())
        .env("CONSUME_SUBJECT", format!("{}.event.>", world.context("vibespro")?.name))
        .env("CONSUMER_DURABLE", world.durable("sea")?)
        .env("BATCH_SIZE", 1000)
        .env("CONSUMER_MAX_ACK_PENDING", 1000)
        .env("INBOX_WINDOW", 5000)
        .env("ACK_WAIT_SECS", 120)
        .env("MAX_DELIVER", 5);
    Ok(worker)
}

async fn consume(world: &World, events: usize, handler_url: &str) -> Result<f64, Box<dyn std::error::Error>> {
    let _worker = consumer(world, handler_url).await?;
    consumed(world, events).await
}

/// Waits until all is processed. Events a second.
async fn consumed(world: &World, events: usize) -> Result<f64, Box<dyn std::error::Error>> {
    let context = world.context("sea")?;
    let last =
        "SELECT count(*) FROM (SELECT 1 WHERE (SELECT coalesce(max(recorded_seq), 0) FROM inbox_streams) < ";
    rest(context, &format!("{last} {}) r", last_sequence(world).await?)).await?;
    rest(context, "SELECT count(*) FROM (SELECT FROM inbox_messages WHERE state <> 'processed' LIMIT 1) r")
        .await?;
    let millis = context
        .count("SELECT (extract(epoch FROM max(processed_at) - min(received_at)) * 1000)::bigint FROM inbox_messages")
        .await?;
    Ok(rate(events, Duration::from_millis(millis.unsigned_abs())))
}

#[allow(clippy::cast_precision_loss)]
fn rate(events: usize, took: Duration) -> f64 {
    events as f64 / took.as_secs_f64().max(0.001)
}
