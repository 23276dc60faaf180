//! What is known to fail now and then, under load: order over freezing and waking. Not part of
//! `make test`; run by `cargo test -p sea-mq-tests --test open`.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use sea_mq_testkit::{Answer, World, WorldOptions};
use sea_mq_tests::{Outcome, SOON};

/// Longer than the time after which a silent instance's lanes are taken over.
const LONGER_THAN_A_LEASE: Duration = Duration::from_secs(5);

async fn pass(world: &World, time: Duration) -> Outcome {
    let began = Instant::now();
    world.wait_until("time has passed", time * 2, async || Ok(began.elapsed() >= time)).await
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
