//! A handler that takes signed calls alone.

use sea_mq_testkit::{
    Answer, EffectMode, Event, TestHandler, TestkitError, WorkerProcess, World, WorldOptions,
};
use sea_mq_tests::{Outcome, SOON};

use super::sdk_handler;

const ITS_OWN: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ANOTHER: &str = "whsec_bm90IHRoZSBzZWNyZXQgb2YgdGhpcyBoYW5kbGVy";

#[tokio::test]
async fn a_call_counts_only_with_a_signature_that_the_handler_knows() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    // A program on the Python SDK takes its place, on its port.
    let place = world.absent_handler("sea", EffectMode::Joined, |_| Answer::Handle)?;
    let secret = [("HANDLER_SECRET", ITS_OWN)];
    let _handler = sdk_handler(&world, &place, "signed_handler", &secret).await?;
    let _publisher = world.worker("vibespro").start().await?;
    let stranger = worker(&world, &place, ANOTHER).await?;
    let id = world.emit("vibespro", Event::new("vibe_scored").of("v-1")).await?;
    let refused = "SELECT count(*) FROM inbox_messages WHERE last_error LIKE '%401%'";
    world
        .wait_until("the call is refused", SOON, async || Ok(world.context("sea")?.count(refused).await? > 0))
        .await?;
    stranger.terminate().await?;
    stranger.wait_within(SOON).await?;
    assert_eq!(world.context("sea")?.count("SELECT count(*) FROM effects").await?, 0);
    // As while secrets are exchanged: the worker signs with both.
    let _worker = worker(&world, &place, &format!("{ANOTHER} {ITS_OWN}")).await?;
    let totals = world.check().await?;
    assert_eq!(totals.processed, 1);
    let effects = format!("SELECT count(*) FROM effects WHERE message_id = '{id}'");
    assert_eq!(world.context("sea")?.count(&effects).await?, 1);
    Ok(())
}

async fn worker(world: &World, place: &TestHandler, secret: &str) -> Result<WorkerProcess, TestkitError> {
    let launch = world.worker("sea").handler(place).env("HANDLER_SECRET", secret);
    launch.env("RETRY_BASE_MS", 2000).env("RETRY_CAP_SECS", 2).start().await
}
