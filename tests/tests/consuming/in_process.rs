//! Handlers in the worker's own process.

use sea_mq_testkit::{Event, TestkitError, WorkerLaunch, World, WorldOptions};
use sea_mq_tests::{Outcome, SOON, inbox};
use serde_json::json;

use super::tell;

const KINDS: [&str; 3] = ["vibe_created", "vibe_scored", "vibe_updated"];
const EVENTS: usize = 600;

/// Events of all kinds, over 60 aggregates; every hundredth is told `what`.
async fn emit(world: &World, what: &str) -> Result<(), TestkitError> {
    for n in 0..EVENTS {
        let (name, of) = (KINDS[n % 3], format!("v-{}", n % 60));
        let event = match n % 100 {
            50 => tell(name, &of, what),
            _ => Event::new(name).of(&of).payload(json!({ "n": n })),
        };
        world.emit("vibespro", event).await?;
    }
    Ok(())
}

fn worker<'a>(world: &'a World, batches: &str) -> Result<WorkerLaunch<'a>, TestkitError> {
    let launch = world.worker("sea").in_process("in_process_worker");
    Ok(launch.env("APP_DB_URL", &world.context("sea")?.urls.app).env("BATCHES", batches))
}

#[tokio::test]
async fn effects_happen_once_and_in_order_whatever_a_handler_does() -> Outcome {
    for (what, batches) in [("fail", "1"), ("panic", "50"), ("hang", "50")] {
        let world = World::start(WorldOptions::default()).await?;
        let _publisher = world.worker("vibespro").start().await?;
        emit(&world, what).await?;
        let _worker = worker(&world, batches)?.env("HANDLER_TIMEOUT_SECS", 1).start().await?;
        let totals = world.check().await?;
        assert_eq!((totals.processed, totals.effects, totals.dead), (EVENTS, EVENTS, 0), "{what}");
        let tried = "SELECT count(*) FROM inbox_messages WHERE attempts > 1";
        assert!(world.context("sea")?.count(tried).await? >= 6, "{what}: none failed");
    }
    Ok(())
}

#[tokio::test]
async fn poison_of_a_batch_is_dead_lettered_alone() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let _publisher = world.worker("vibespro").start().await?;
    emit(&world, "poison").await?;
    let _worker = worker(&world, "50")?.start().await?;
    let totals = world.check().await?;
    assert_eq!((totals.processed, totals.effects, totals.dead), (EVENTS - 6, EVENTS - 6, 6));
    Ok(())
}

#[tokio::test]
async fn an_event_that_kills_the_worker_with_its_handlers_takes_effect_once_it_does_not() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let _publisher = world.worker("vibespro").start().await?;
    for n in 0..200 {
        world.emit("vibespro", Event::new("vibe_scored").of(format!("v-{}", n % 20))).await?;
    }
    world.emit("vibespro", tell("vibe_scored", "deadly", "kill")).await?;
    let victim = worker(&world, "50")?.launch().await?;
    assert!(!victim.wait_within(SOON).await?.success());
    let _heir = worker(&world, "50")?.start().await?;
    let totals = world.check().await?;
    assert_eq!((totals.processed, totals.effects, totals.dead), (201, 201, 0));
    Ok(())
}

#[tokio::test]
async fn a_worker_that_fails_and_dies_around_a_call_of_its_own_handlers_breaks_no_promise() -> Outcome {
    let calls = ["call.before", "answer.after", "batch_answer.after", "settle.before"];
    futures::future::try_join_all(calls.map(dies_at)).await.map(drop)
}

async fn dies_at(name: &str) -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let _publisher = world.worker("vibespro").start().await?;
    emit(&world, "fail").await?;
    let failpoint = format!("dispatch.{name}");
    let script = format!("{failpoint}=1*error > {failpoint}=1*crash");
    let victim = worker(&world, "50")?.env("SEA_MQ_FAILPOINTS", script).launch().await?;
    for action in ["error", "crash"] {
        victim.wait_for_line(&format!("failpoint {failpoint}: {action}"), SOON).await?;
    }
    assert!(!victim.wait_within(SOON).await?.success());
    let _heir = worker(&world, "50")?.start().await?;
    let totals = world.check().await?;
    assert_eq!((totals.processed, totals.effects, totals.dead), (EVENTS, EVENTS, 0), "{failpoint}");
    Ok(())
}

#[tokio::test]
async fn a_worker_without_handlers_says_so_at_its_start() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let refused = world.worker("sea").in_process("sea-mq-worker").launch().await?;
    assert_eq!(refused.wait_within(SOON).await?.code(), Some(64));
    let said = refused.last_lines();
    assert!(said.contains("this program has no handlers of its own"), "{said}");
    assert_eq!(inbox(&world, "'ready'").await?, 0);
    Ok(())
}
