//! The loops that a team writes for itself: no order, no retries, no leases, one instance.

use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::{AckPolicy, pull};
use bytes::Bytes;
use futures::StreamExt;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sea_mq_testkit::World;
use sqlx::Row;
use uuid::Uuid;

use crate::handler::instant_handler;
use crate::rate;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const CLAIM: usize = 2000;
const CALLS: usize = 25;

/// Claims a group, publishes it, awaits the acks, marks it; and again. Its messages stay.
pub(crate) async fn drain(world: &World, events: usize) -> Outcome<f64> {
    let context = world.context("vibespro")?;
    let admin = &context.admin;
    for statement in [
        "CREATE TABLE plain_outbox (id uuid PRIMARY KEY, seq bigint GENERATED ALWAYS AS IDENTITY,
                                    payload jsonb NOT NULL, published_at timestamptz)",
        "CREATE INDEX ON plain_outbox (seq) WHERE published_at IS NULL",
    ] {
        sqlx::query(statement).execute(admin).await?;
    }
    sqlx::query(
        "INSERT INTO plain_outbox (id, payload)
         SELECT gen_random_uuid(), jsonb_build_object('n', n, 'filling', repeat('x', 480))
         FROM generate_series(1, $1::int) n",
    )
    .bind(i32::try_from(events)?)
    .execute(admin)
    .await?;
    let subject = context.subject("plain");
    let began = Instant::now();
    loop {
        let rows = sqlx::query(
            "SELECT id, payload::text FROM plain_outbox WHERE published_at IS NULL ORDER BY seq LIMIT $1",
        )
        .bind(i64::try_from(CLAIM)?)
        .fetch_all(admin)
        .await?;
        if rows.is_empty() {
            return Ok(rate(events, began.elapsed()));
        }
        let mut acks = Vec::with_capacity(rows.len());
        let mut ids: Vec<Uuid> = Vec::with_capacity(rows.len());
        for row in rows {
            let (id, payload): (Uuid, String) = (row.try_get(0)?, row.try_get(1)?);
            let mut headers = async_nats::HeaderMap::new();
            headers.insert("Nats-Msg-Id", id.to_string());
            acks.push(
                world.jetstream().publish_with_headers(subject.clone(), headers, payload.into()).await?,
            );
            ids.push(id);
        }
        for ack in acks {
            ack.await?;
        }
        sqlx::query("UPDATE plain_outbox SET published_at = now() WHERE id = ANY($1)")
            .bind(&ids)
            .execute(admin)
            .await?;
    }
}

/// What a plain loop records of a message before it acks it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record {
    /// Its id: a crash loses what was acked and not handled.
    Id,
    /// Its id, subject and body, as whoever handles it after a crash would need them.
    All,
}

/// Fetches a batch, records it, acks it, calls the handler for each, marks them; the next batch is
/// recorded meanwhile. Leaves the messages.
// Fetched as everybody does it: with an expiry, and no broker that crashes here.
#[allow(clippy::disallowed_methods)]
pub(crate) async fn consume(world: &World, events: usize, what: Record) -> Outcome<f64> {
    let admin = &world.context("sea")?.admin;
    for statement in [
        "DROP TABLE IF EXISTS plain_inbox",
        "CREATE TABLE plain_inbox (id uuid PRIMARY KEY, received_at timestamptz NOT NULL DEFAULT now(),
                                   processed_at timestamptz, subject text, body bytea)",
    ] {
        sqlx::query(statement).execute(admin).await?;
    }
    let stream = world.jetstream().get_stream(world.context("vibespro")?.name.event_stream()).await?;
    let consumer = stream
        .create_consumer(pull::Config {
            durable_name: Some("plain".to_owned()),
            ack_policy: AckPolicy::Explicit,
            max_ack_pending: 1000,
            ..pull::Config::default()
        })
        .await?;
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let url: hyper::Uri = instant_handler().await?.parse()?;
    let began = Instant::now();
    let mut working: Option<tokio::task::JoinHandle<Result<(), sqlx::Error>>> = None;
    let mut seen = 0;
    while seen < events {
        let batch: Vec<_> = consumer
            .fetch()
            .max_messages(500)
            .expires(Duration::from_secs(5))
            .messages()
            .await?
            .filter_map(async |message| message.ok())
            .collect()
            .await;
        seen += batch.len();
        let ids: Vec<Uuid> = batch.iter().filter_map(|message| id_of(message)).collect();
        record(admin, what, &ids, &batch).await?;
        for message in &batch {
            message.ack().await.map_err(|error| error.to_string())?;
        }
        if let Some(working) = working.take() {
            working.await??;
        }
        let (client, url, admin) = (client.clone(), url.clone(), admin.clone());
        working = Some(tokio::spawn(async move {
            futures::stream::iter(batch)
                .for_each_concurrent(CALLS, async |message| {
                    call(&client, &url, message.payload.clone()).await;
                })
                .await;
            let mark = "UPDATE plain_inbox SET processed_at = now(), body = NULL WHERE id = ANY($1)";
            sqlx::query(mark).bind(&ids).execute(&admin).await.map(|_| ())
        }));
    }
    if let Some(working) = working.take() {
        working.await??;
    }
    let took = began.elapsed();
    stream.delete_consumer("plain").await?;
    Ok(rate(events, took))
}

async fn record(
    admin: &sqlx::PgPool,
    what: Record,
    ids: &[Uuid],
    batch: &[async_nats::jetstream::Message],
) -> Result<(), sqlx::Error> {
    let (subjects, bodies): (Vec<&str>, Vec<&[u8]>) = match what {
        Record::Id => (vec![], vec![]),
        Record::All => batch.iter().map(|message| (message.subject.as_str(), &message.payload[..])).unzip(),
    };
    sqlx::query(
        "INSERT INTO plain_inbox (id, subject, body)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::bytea[]) ON CONFLICT DO NOTHING",
    )
    .bind(ids)
    .bind(subjects)
    .bind(bodies)
    .execute(admin)
    .await
    .map(|_| ())
}

fn id_of(message: &async_nats::Message) -> Option<Uuid> {
    message.headers.as_ref()?.get("Nats-Msg-Id")?.as_str().parse().ok()
}

async fn call(client: &Client<HttpConnector, Full<Bytes>>, url: &hyper::Uri, body: Bytes) {
    let request = hyper::Request::post(url.clone()).body(Full::new(body)).unwrap();
    let answer = client.request(request).await.unwrap();
    assert_eq!(answer.status(), hyper::StatusCode::NO_CONTENT);
    answer.into_body().collect().await.unwrap();
}
