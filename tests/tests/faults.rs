//! Processes and servers are killed, frozen and woken under load.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use sea_mq_testkit::{Answer, Event, Gate, ServerChoice, TestkitError, World, WorldOptions};
use sea_mq_tests::{Outcome, SOON, inbox, outbox};

/// Longer than the time after which a silent instance's lanes are taken over.
const LONGER_THAN_A_LEASE: Duration = Duration::from_secs(5);

fn own(nodes: usize) -> WorldOptions {
    WorldOptions { servers: ServerChoice::Own(nodes), ..WorldOptions::default() }
}

/// Lets an instance's lease run out.
async fn pass(world: &World, time: Duration) -> Outcome {
    let began = Instant::now();
    world.wait_until("time has passed", time * 2, async || Ok(began.elapsed() >= time)).await
}

#[tokio::test]
async fn a_killed_instance_is_replaced_within_five_seconds() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let mut publisher = world.worker("vibespro").start().await?;
    let mut consumer = world.worker("sea").handler(&handler).start().await?;
    let _second_publisher = world.worker("vibespro").start().await?;
    let _second_consumer = world.worker("sea").handler(&handler).start().await?;
    world.emit_many("vibespro", "vibe_created", 100, 50).await?;
    world.settle().await?;
    publisher.kill().await;
    consumer.kill().await;
    world.emit_many("vibespro", "vibe_created", 500, 200).await?;
    // The consumer's five seconds begin at the latest when the publisher's have ended.
    world
        .wait_until("all is processed", 2 * LONGER_THAN_A_LEASE, async || {
            Ok(inbox(&world, "'processed'").await? == 600)
        })
        .await?;
    world.check().await.map(drop)
}

#[tokio::test]
async fn a_stopping_instance_hands_over_what_is_quiet_while_a_call_still_runs() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let gate = Gate::closed();
    let held = gate.clone();
    let handler = world
        .handler("sea", move |call| match call.aggregate_id.as_deref() {
            Some("slow") => Answer::HangThenHandle(held.clone()),
            Some(_) | None => Answer::Handle,
        })
        .await?;
    let _publisher = world.worker("vibespro").start().await?;
    let stopping = world.worker("sea").handler(&handler).start().await?;
    world.emit("vibespro", Event::new("vibe_created").of("slow")).await?;
    gate.reached(1).await;
    let _other = world.worker("sea").handler(&handler).start().await?;
    stopping.terminate().await?;
    stopping.wait_for_line("stopping: finishing what is in hand", SOON).await?;
    world.emit_many("vibespro", "vibe_updated", 200, 100).await?;
    world.emit_many("sea", "case_created", 200, 100).await?;
    // Only the lane of the call that runs has to wait for it.
    let elsewhere = "SELECT count(*) FROM inbox_messages WHERE state <> 'processed'
                     AND lane <> (SELECT lane FROM inbox_messages WHERE aggregate_id = 'slow')";
    let sea = world.context("sea")?;
    world
        .wait_until("the other publishes, ingests and dispatches", LONGER_THAN_A_LEASE, async || {
            Ok(sea.count("SELECT count(*) FROM outbox_events WHERE state = 'published'").await? == 200
                && sea.count("SELECT count(*) FROM inbox_messages").await? == 201
                && sea.count(elsewhere).await? == 0)
        })
        .await?;
    assert!(stopping.is_running(), "it was to wait for its call");
    gate.open();
    assert!(stopping.wait_within(SOON).await?.success());
    let totals = world.check().await?;
    assert_eq!(totals.processed, 201);
    assert_eq!(sea.count("SELECT max(attempts)::bigint FROM inbox_messages").await?, 1);
    Ok(())
}

#[tokio::test]
async fn an_outage_of_the_broker_loses_nothing() -> Outcome {
    let mut world = World::start(own(3)).await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let publisher = world.worker("vibespro").start().await?;
    let _consumer = world.worker("sea").handler(&handler).start().await?;
    world.emit_many("vibespro", "vibe_created", 1_000, 20).await?;
    world.wait_until("it has begun", SOON, async || Ok(!handler.calls().is_empty())).await?;
    world.nats()?.kill().await;
    world.emit_many("vibespro", "vibe_created", 500, 20).await?;
    world
        .wait_until("the publisher says that it is not ready", SOON, async || Ok(!publisher.is_ready().await))
        .await?;
    assert_eq!(outbox(&world, "'parked', 'held'").await?, 0);
    world.nats()?.restart().await?;
    let totals = world.check().await?;
    assert_eq!((totals.processed, totals.effects), (1_500, 1_500));
    publisher.wait_ready(SOON).await
}

#[tokio::test]
async fn the_death_of_any_one_node_loses_nothing() -> Outcome {
    let mut world = World::start(own(3)).await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let _publisher = world.worker("vibespro").start().await?;
    let _consumer = world.worker("sea").handler(&handler).start().await?;
    for node in 0..3 {
        world.emit_many("vibespro", "vibe_created", 1_000, 20).await?;
        world.nats()?.node(node).kill().await;
        world.emit_many("vibespro", "vibe_created", 200, 20).await?;
        let published = 1_200 * (i64::try_from(node).unwrap() + 1);
        world
            .wait_until("all is published over two nodes", SOON * 2, async || {
                Ok(outbox(&world, "'published'").await? == published)
            })
            .await?;
        world.nats()?.restart().await?;
    }
    let totals = world.check().await?;
    assert_eq!((totals.processed, totals.effects), (3_600, 3_600));
    Ok(())
}

#[tokio::test]
async fn an_outage_of_the_database_loses_nothing() -> Outcome {
    let mut world = World::start(own(1)).await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let publisher = world.worker("vibespro").start().await?;
    let consumer = world.worker("sea").handler(&handler).start().await?;
    for _ in 0..2 {
        world.emit_many("vibespro", "vibe_created", 1_000, 20).await?;
        world.wait_until("it goes on", SOON, async || Ok(inbox(&world, "'processed'").await? > 0)).await?;
        world.postgres()?.kill().await;
        world
            .wait_until("both say that they are not ready", SOON, async || {
                Ok(!publisher.is_ready().await && !consumer.is_ready().await)
            })
            .await?;
        world.postgres()?.restart().await?;
    }
    let totals = world.check().await?;
    assert_eq!((totals.processed, totals.effects, totals.dead), (2_000, 2_000, 0));
    publisher.wait_ready(SOON).await?;
    consumer.wait_ready(SOON).await
}

#[tokio::test]
async fn workers_wait_for_servers_that_come_later() -> Outcome {
    let mut world = World::start(own(1)).await?;
    world.nats()?.kill().await;
    world.postgres()?.kill().await;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let publisher = world.worker("vibespro").launch().await?;
    let consumer = world.worker("sea").handler(&handler).launch().await?;
    let waits = async |worker: &sea_mq_testkit::WorkerProcess| -> Result<bool, TestkitError> {
        Ok(matches!(worker.readiness().await, Some((503, _))))
    };
    world
        .wait_until("they answer that they wait", SOON, async || {
            Ok(waits(&publisher).await? && waits(&consumer).await?)
        })
        .await?;
    world.nats()?.restart().await?;
    world.postgres()?.restart().await?;
    publisher.wait_ready(SOON).await?;
    consumer.wait_ready(SOON).await?;
    world.emit_many("vibespro", "vibe_created", 50, 5).await?;
    let totals = world.check().await?;
    assert_eq!(totals.processed, 50);
    Ok(())
}

#[tokio::test]
async fn one_publisher_and_one_consumer_are_killed_the_others_frozen_and_woken() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let mut frozen_publisher = world.worker("vibespro").start().await?;
    let mut killed_publisher = world.worker("vibespro").start().await?;
    let mut frozen_consumer = world.worker("sea").handler(&handler).start().await?;
    let mut killed_consumer = world.worker("sea").handler(&handler).start().await?;
    world.emit_many("vibespro", "vibe_updated", 2_000, 3).await?;
    world.wait_until("it has begun", SOON, async || Ok(!handler.calls().is_empty())).await?;
    frozen_publisher.freeze().await?;
    frozen_consumer.freeze().await?;
    world.emit_many("vibespro", "vibe_updated", 2_000, 3).await?;
    pass(&world, LONGER_THAN_A_LEASE).await?;
    world.emit_many("vibespro", "vibe_updated", 1_000, 3).await?;
    frozen_publisher.thaw().await?;
    frozen_consumer.thaw().await?;
    killed_publisher.kill().await;
    killed_consumer.kill().await;
    world.emit_many("vibespro", "vibe_updated", 1_000, 3).await?;
    let totals = world.check().await?;
    assert_eq!((totals.processed, totals.effects, totals.dead), (6_000, 6_000, 0));
    Ok(())
}
