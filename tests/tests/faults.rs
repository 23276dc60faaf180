//! Processes and servers are killed, frozen and woken under load.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use sea_mq_testkit::{Answer, ServerChoice, TestkitError, World, WorldOptions};
use sea_mq_tests::{Outcome, SOON, inbox, outbox};

/// Longer than the time after which a silent instance's lanes are taken over.
const LONGER_THAN_A_LEASE: Duration = Duration::from_secs(5);

fn own(nodes: usize) -> WorldOptions {
    WorldOptions { servers: ServerChoice::Own(nodes), ..WorldOptions::default() }
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
