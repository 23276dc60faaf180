//! From the stream into the inbox, whatever happens on the way.

use std::time::{Duration, Instant};

use sea_mq_testkit::{Answer, EffectMode, World, WorldOptions};
use sea_mq_tests::{Outcome, SOON, inbox, outbox};

use super::{Flow, flow};

#[tokio::test]
async fn a_batch_that_a_killed_worker_had_in_hand_is_read_again_at_once() -> Outcome {
    // Redelivery would come after a minute: the missing range must be read instead.
    let options = WorldOptions { ack_wait: Duration::from_secs(60), ..WorldOptions::default() };
    let world = World::start(options).await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let _publisher = world.worker("vibespro").start().await?;
    world.emit_many("vibespro", "vibe_created", 300, 10).await?;
    world
        .wait_until("all are published", SOON, async || Ok(outbox(&world, "'published'").await? == 300))
        .await?;
    let victim = world
        .worker("sea")
        .handler(&handler)
        .env("SEA_MQ_FAILPOINTS", "ingest.pull.after=crash")
        .launch()
        .await?;
    victim.wait_for_line("failpoint ingest.pull.after: crash", SOON).await?;
    let _heir = world.worker("sea").handler(&handler).start().await?;
    let took_over = Instant::now();
    let totals = world.check().await?;
    assert_eq!(totals.processed, 300);
    assert!(took_over.elapsed() < Duration::from_secs(20), "{:?}", took_over.elapsed());
    Ok(())
}

#[tokio::test]
async fn deliveries_used_up_before_anything_was_recorded_lose_nothing() -> Outcome {
    let options =
        WorldOptions { ack_wait: Duration::from_secs(1), max_deliver: 1, ..WorldOptions::default() };
    let world = World::start(options).await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let _publisher = world.worker("vibespro").start().await?;
    world.emit_many("vibespro", "vibe_created", 40, 10).await?;
    world
        .wait_until("all are published", SOON, async || Ok(outbox(&world, "'published'").await? == 40))
        .await?;
    let victim = world
        .worker("sea")
        .handler(&handler)
        .env("SEA_MQ_FAILPOINTS", "ingest.pull.after=crash")
        .launch()
        .await?;
    victim.wait_for_line("failpoint ingest.pull.after: crash", SOON).await?;
    let (stream, durable) = (world.context("vibespro")?.name.event_stream(), world.durable("sea")?);
    world
        .wait_until("the broker has given all of them up", SOON, async || {
            let facts = world.broker().consumer_info(&stream, durable).await?;
            Ok(facts.num_pending == 0 && facts.num_ack_pending == 0)
        })
        .await?;
    assert_eq!(inbox(&world, "'ready', 'running', 'processed'").await?, 0);
    let _heir = world.worker("sea").handler(&handler).start().await?;
    let totals = world.check().await?;
    assert_eq!((totals.processed, totals.dead), (40, 0));
    Ok(())
}

#[tokio::test]
async fn a_subscription_that_comes_late_gets_everything() -> Outcome {
    let world = World::start(WorldOptions { apply_topology: false, ..WorldOptions::default() }).await?;
    world.apply_streams().await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let _publisher = world.worker("vibespro").start().await?;
    let consumer = world.worker("sea").handler(&handler).launch().await?;
    world.emit_many("vibespro", "vibe_created", 100, 10).await?;
    world
        .wait_until("all are published", SOON, async || Ok(outbox(&world, "'published'").await? == 100))
        .await?;
    assert!(!consumer.is_ready().await, "the durable does not exist yet");
    world.apply_topology().await?;
    let totals = world.check().await?;
    assert_eq!(totals.processed, 100);
    consumer.wait_ready(SOON).await
}

#[tokio::test]
async fn a_stream_made_anew_is_noticed_and_consumed() -> Outcome {
    let Flow { world, handler: _h, publisher: _p, consumer } =
        flow(EffectMode::Joined, &[], |_| Answer::Handle).await?;
    world.emit_many("vibespro", "vibe_created", 50, 5).await?;
    world.check().await?;
    let stream = world.context("vibespro")?.name.event_stream();
    world.jetstream().delete_stream(&stream).await.unwrap();
    world.apply_topology().await?;
    world.emit_many("vibespro", "vibe_updated", 50, 5).await?;
    let totals = world.check().await?;
    assert_eq!((totals.processed, totals.streamed), (100, 50));
    let places = "SELECT count(DISTINCT stream_created_at) FROM outbox_events WHERE event_type = 'vibe_updated'
                  AND stream_created_at > (SELECT max(stream_created_at) FROM outbox_events WHERE event_type = 'vibe_created')";
    assert_eq!(
        world.context("vibespro")?.count(places).await?,
        1,
        "the outbox says which incarnation holds an event"
    );
    world
        .wait_until("it is counted", SOON, async || {
            Ok(consumer.metric("stream_recreated_total").await == Some(1.0))
        })
        .await
}

#[tokio::test]
async fn order_holds_over_hand_overs() -> Outcome {
    let Flow { world, handler, publisher: _p, consumer: first } =
        flow(EffectMode::Joined, &[], |_| Answer::Handle).await?;
    let mut instances = vec![first];
    for round in 0..4 {
        world.emit_many("vibespro", "vibe_updated", 1_500, 8).await?;
        instances.push(world.worker("sea").handler(&handler).start().await?);
        if round % 2 == 1 {
            let oldest = instances.remove(0);
            oldest.terminate().await?;
            assert!(oldest.wait_within(SOON).await?.success());
        }
    }
    let totals = world.check().await?;
    assert_eq!(totals.processed, 6_000);
    Ok(())
}

/// Such a durable delivers all that the stream holds once more: that may take long, and nothing new waits
/// for it.
#[tokio::test]
async fn what_is_new_does_not_wait_for_a_durable_that_was_made_anew() -> Outcome {
    const OLD: i64 = 500;
    let world = World::start(WorldOptions::default()).await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let _publisher = world.worker("vibespro").start().await?;
    let first = world.worker("sea").handler(&handler).start().await?;
    world.emit_many("vibespro", "vibe_created", OLD, 100).await?;
    world.settle().await?;
    first.terminate().await?;
    assert!(first.wait_within(SOON).await?.success());
    let (stream, durable) = (world.context("vibespro")?.name.event_stream(), world.durable("sea")?);
    world.jetstream().delete_consumer_from_stream(durable, &stream).await.unwrap();
    world.apply_topology().await?;
    world.emit_many("vibespro", "vibe_updated", 20, 10).await?;
    // The old ones take a minute.
    let worker = world.worker("sea").handler(&handler).env("BATCH_SIZE", 1);
    let mut slow = worker.env("SEA_MQ_FAILPOINTS", "ingest.ack.before=delay(120)").launch().await?;
    world
        .wait_until("the new ones are processed", SOON, async || {
            Ok(inbox(&world, "'processed'").await? == OLD + 20)
        })
        .await?;
    let delivered = world.broker().consumer_info(&stream, durable).await?.delivered.stream_seq;
    assert!(delivered < OLD.unsigned_abs(), "all {delivered} old ones came first");
    slow.kill().await;
    let _last = world.worker("sea").handler(&handler).start().await?;
    let totals = world.check().await?;
    assert_eq!(totals.effects, usize::try_from(OLD + 20).unwrap());
    Ok(())
}
