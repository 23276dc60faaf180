//! Messages whose header block no client takes: whoever is sent one loses its connection, or panics.

use std::collections::BTreeMap;
use std::time::Duration;

use sea_mq_testkit::{Answer, TestHandler, TestkitError, WorkerProcess, World, WorldOptions};
use sea_mq_tests::{Outcome, SOON, inbox};
use uuid::Uuid;

use crate::raw::{RawClient, RawMessage, Said};
use crate::rows;

/// Events as they should be, before, between and after the others.
const HEALTHY: i64 = 40;

/// Stores a message with this header block, and says where.
async fn store(world: &World, client: &mut RawClient, block: &[u8]) -> Result<u64, TestkitError> {
    let subject = world.context("vibespro")?.subject("vibe_drawn").into_bytes();
    store_as(client, &subject, block).await
}

async fn store_as(client: &mut RawClient, subject: &[u8], block: &[u8]) -> Result<u64, TestkitError> {
    let message = RawMessage { subject: subject.to_vec(), block: Some(block.to_vec()), body: b"{}".to_vec() };
    match client.publish(&message).await {
        Said::Stored(seq) => Ok(seq),
        Said::Refused(why) => Err(TestkitError::Unexpected(why)),
    }
}

async fn emit(world: &World) -> Result<(), TestkitError> {
    world.emit_many("vibespro", "vibe_created", HEALTHY, 5).await?;
    world.wait_until("they are published", SOON, async || Ok(unpublished(world).await? == 0)).await
}

async fn unpublished(world: &World) -> Result<i64, TestkitError> {
    world.context("vibespro")?.count("SELECT count(*) FROM outbox_events WHERE state <> 'published'").await
}

/// Healthy events have their effect once, in order; the others are dead for that reason; each has its
/// letter; and nothing is owed any more.
async fn all_is_well(world: &World, bad: &[u64], healthy: i64) -> Outcome {
    let dead = i64::try_from(bad.len()).unwrap();
    world
        .wait_until("all has ended", SOON, async || {
            Ok(inbox(world, "'processed'").await? == healthy && inbox(world, "'dead'").await? == dead)
        })
        .await?;
    let sea = world.context("sea")?;
    assert_eq!(sea.count("SELECT count(*) FROM effects").await?, healthy);
    let disordered =
        "SELECT count(*) FROM (SELECT seq, lag(seq) OVER (PARTITION BY aggregate_id ORDER BY made)
        AS before FROM (SELECT e.id AS made, m.stream_seq AS seq, m.aggregate_id FROM effects e
        JOIN inbox_messages m USING (message_id)) AS effect) AS pair WHERE before > seq";
    assert_eq!(sea.count(disordered).await?, 0);
    let rows = rows(world).await?;
    for seq in bad {
        let row = &rows[seq];
        let error = row.last_error.as_deref().unwrap_or_default();
        assert_eq!((row.state.as_str(), row.dead_reason.as_deref()), ("dead", Some("malformed")));
        assert!(error.contains("no client can read it"), "{error}");
    }
    assert_eq!(letters(world).await?, bad.iter().map(|seq| (*seq, 1)).collect());
    let (stream, durable) = (world.context("vibespro")?.name.event_stream(), world.durable("sea")?);
    world
        .wait_until("all is acknowledged", SOON, async || {
            let facts = world.broker().consumer_info(&stream, durable).await;
            let facts = facts.map_err(TestkitError::broker("looking at the consumer"))?;
            Ok((facts.num_ack_pending, facts.num_pending) == (0, 0))
        })
        .await
}

/// How many letters there are of the message at each place.
async fn letters(world: &World) -> Result<BTreeMap<u64, u32>, TestkitError> {
    let name = world.context("sea")?.name.dead_letter_stream();
    let stream = world.jetstream().get_stream(&name).await;
    let stream = stream.map_err(TestkitError::broker("reading letters"))?;
    let mut letters = BTreeMap::new();
    for seq in 1..=stream.cached_info().state.last_sequence {
        let letter = stream.get_raw_message(seq).await.map_err(TestkitError::broker("reading a letter"))?;
        let place = letter.headers.get("X-Dlq-Stream-Seq").and_then(|value| value.as_str().parse().ok());
        *letters.entry(place.unwrap_or_default()).or_default() += 1;
    }
    Ok(letters)
}

async fn consumer(
    world: &World,
    handler: &TestHandler,
    failpoints: &str,
) -> Result<WorkerProcess, TestkitError> {
    world.worker("sea").handler(handler).env("SEA_MQ_FAILPOINTS", failpoints).launch().await
}

#[tokio::test]
async fn what_breaks_the_connection_is_dead_lettered_and_holds_nobody_up() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let _publisher = world.worker("vibespro").start().await?;
    let consumer = world.worker("sea").handler(&handler).start().await?;
    let mut client = RawClient::connect(&world.nats_urls()[0]).await;
    let known_id = format!("NATS/1.0\r\nNats-Msg-Id: {}\r\nX-Name: Jos\u{e9}", Uuid::new_v4());
    // In Latin-1, as a client would send it that knows no other.
    let latin: Vec<u8> = known_id.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let blocks = [
        &[&latin[..], b"\r\n\r\n"].concat()[..],
        b"NATS/1.0\r\nno colon\r\n\r\n",
        b"HTTP/1.1\r\nX-A: 1\r\n\r\n",
    ];
    let mut bad = Vec::new();
    emit(&world).await?;
    for block in blocks {
        bad.push(store(&world, &mut client, block).await?);
        bad.push(store(&world, &mut client, block).await?);
        emit(&world).await?;
    }
    // White space only to the client, and no UTF-8.
    let prefix = world.context("vibespro")?.name.event_prefix().into_bytes();
    for rest in ["a\u{3000}b.v1".as_bytes(), b"a\xffb.v1"] {
        let subject = [&prefix[..], rest].concat();
        bad.push(store_as(&mut client, &subject, b"NATS/1.0\r\nX-A: 1\r\n\r\n").await?);
    }
    emit(&world).await?;
    // The second one with the same id is the same message.
    bad.remove(1);
    all_is_well(&world, &bad, HEALTHY * 5).await?;
    consumer.wait_ready(Duration::from_secs(10)).await
}

#[tokio::test]
async fn what_ends_the_client_is_dead_lettered_by_the_next_process() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let _publisher = world.worker("vibespro").start().await?;
    let mut client = RawClient::connect(&world.nats_urls()[0]).await;
    let block = b"NATS/1.0\r\nX-A: a\rb\r\n\r\n";
    emit(&world).await?;
    let mut bad = vec![store(&world, &mut client, block).await?];
    emit(&world).await?;
    // The second process dies when the message is recorded, and before it is acknowledged.
    for (failpoints, ends_by) in [("", Some(1)), ("stream.ack.before=crash", None)] {
        let process = consumer(&world, &handler, failpoints).await?;
        assert_eq!(process.wait_within(SOON).await?.code(), ends_by, "{}", process.output());
    }
    assert_eq!(inbox(&world, "'dead', 'dying'").await?, 1);
    let third = consumer(&world, &handler, "").await?;
    all_is_well(&world, &bad, HEALTHY * 2).await?;
    bad.push(store(&world, &mut client, block).await?);
    emit(&world).await?;
    assert_eq!(third.wait_within(SOON).await?.code(), Some(1), "{}", third.output());
    let last = consumer(&world, &handler, "").await?;
    all_is_well(&world, &bad, HEALTHY * 3).await?;
    last.wait_ready(Duration::from_secs(10)).await
}

/// A durable that was made anew comes to such a message late: what reads ahead of it meets it first, and must
/// not end each process anew.
#[tokio::test]
async fn what_ends_the_client_is_passed_ahead_of_a_durable_that_was_made_anew() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let _publisher = world.worker("vibespro").start().await?;
    let first = world.worker("sea").handler(&handler).start().await?;
    for _ in 0..5 {
        emit(&world).await?;
    }
    world.settle().await?;
    first.terminate().await?;
    assert!(first.wait_within(SOON).await?.success());
    let (stream, durable) = (world.context("vibespro")?.name.event_stream(), world.durable("sea")?);
    world.jetstream().delete_consumer_from_stream(durable, &stream).await.unwrap();
    let mut client = RawClient::connect(&world.nats_urls()[0]).await;
    let bad = [store(&world, &mut client, b"NATS/1.0\r\nX-A: a\rb\r\n\r\n").await?];
    emit(&world).await?;
    world.apply_topology().await?;
    // It is recorded while the durable is still far from it, whose delivery then ends this process.
    let second = world.worker("sea").handler(&handler).env("BATCH_SIZE", 1);
    let second = second.env("SEA_MQ_FAILPOINTS", "ingest.ack.before=delay(20)").launch().await?;
    world
        .wait_until("what is newer is processed", SOON, async || {
            Ok(inbox(&world, "'processed'").await? == HEALTHY * 6)
        })
        .await?;
    let delivered = world.broker().consumer_info(&stream, durable).await?.delivered.stream_seq;
    assert!(delivered < bad[0], "{delivered}");
    assert_eq!(second.wait_within(SOON).await?.code(), Some(1), "{}", second.output());
    let last = consumer(&world, &handler, "").await?;
    all_is_well(&world, &bad, HEALTHY * 6).await?;
    last.wait_ready(Duration::from_secs(10)).await
}
