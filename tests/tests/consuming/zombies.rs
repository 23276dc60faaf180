//! Attempts that outlive their time.

use std::time::{Duration, Instant};

use sea_mq_testkit::{Answer, EffectMode, Event, Gate, Hold};
use sea_mq_tests::{Outcome, SOON, inbox};

use super::{Flow, flow, tell, told};

#[tokio::test]
async fn a_handler_transaction_left_open_holds_back_its_own_aggregate_only() -> Outcome {
    let gate = Gate::closed();
    let held = gate.clone();
    let variables = [("HANDLER_TIMEOUT_SECS", "1"), ("MAX_DELIVER", "5")];
    let Flow { world, handler, publisher: _p, consumer: _c } =
        flow(EffectMode::Joined, &variables, move |call| match (told(call), call.attempt) {
            (Some("hang"), 1) => Answer::HandleHolding(Hold::BeforeCommit, held.clone()),
            (Some(_) | None, _) => Answer::Handle,
        })
        .await?;
    let hanging = world.emit("vibespro", tell("vibe_scored", "hung", "hang")).await?;
    world.emit("vibespro", Event::new("vibe_updated").of("hung")).await?;
    gate.reached(1).await;
    world.emit_many("vibespro", "vibe_created", 500, 40).await?;
    world
        .wait_until("all others are processed", SOON, async || Ok(inbox(&world, "'processed'").await? == 500))
        .await?;
    let hung = Instant::now();
    world
        .wait_until("the call has timed out", SOON, async || Ok(hung.elapsed() > Duration::from_secs(2)))
        .await?;
    world.emit_many("vibespro", "vibe_created", 100, 10).await?;
    world
        .wait_until("the others go on", SOON, async || Ok(inbox(&world, "'processed'").await? == 600))
        .await?;
    gate.open();
    let totals = world.check().await?;
    assert_eq!((totals.processed, totals.effects, totals.dead), (602, 602, 0));
    assert!(!handler.calls_of(hanging).is_empty());
    Ok(())
}

#[tokio::test]
async fn a_zombie_that_commits_late_changes_nothing() -> Outcome {
    let gate = Gate::closed();
    let held = gate.clone();
    let Flow { world, handler, publisher: _p, consumer: _c } =
        flow(EffectMode::Joined, &[("HANDLER_TIMEOUT_SECS", "1")], move |call| {
            match (told(call), call.attempt) {
                (Some("hang"), 1) => Answer::HandleHolding(Hold::BeforeMark, held.clone()),
                (Some(_) | None, _) => Answer::Handle,
            }
        })
        .await?;
    let id = world.emit("vibespro", tell("vibe_scored", "a", "hang")).await?;
    world.emit("vibespro", Event::new("vibe_updated").of("a")).await?;
    world
        .wait_until("a later attempt has succeeded", SOON, async || {
            Ok(inbox(&world, "'processed'").await? == 2)
        })
        .await?;
    gate.open();
    world.wait_until("the zombie has ended", SOON, async || {
        Ok(world.context("sea")?.count("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'").await? == 0)
    })
    .await?;
    let totals = world.check().await?;
    assert_eq!((totals.processed, totals.effects), (2, 2));
    assert_eq!(handler.calls_of(id).len(), 2);
    Ok(())
}

#[tokio::test]
async fn a_zombie_without_the_functions_is_stopped_by_its_key() -> Outcome {
    let gate = Gate::closed();
    let held = gate.clone();
    let variables = [("HANDLER_TIMEOUT_SECS", "1")];
    let Flow { world, handler, publisher: _p, consumer: _c } =
        flow(EffectMode::KeyedById, &variables, move |call| match (told(call), call.attempt) {
            (Some("hang"), 1) => Answer::HandleHolding(Hold::BeforeCommit, held.clone()),
            (Some(_) | None, _) => Answer::Handle,
        })
        .await?;
    let id = world.emit("vibespro", tell("vibe_scored", "a", "hang")).await?;
    world
        .wait_until("a second attempt is under way", SOON, async || Ok(handler.calls_of(id).len() >= 2))
        .await?;
    gate.open();
    let totals = world.check().await?;
    assert_eq!((totals.processed, totals.effects), (1, 1));
    Ok(())
}
