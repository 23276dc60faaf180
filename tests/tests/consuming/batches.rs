//! A handler that offers batches.

use std::sync::{Arc, OnceLock};

use sea_mq_testkit::{
    Answer, Call, CallRecord, EffectMode, Event, Gate, Hold, TestHandler, TestkitError, WorkerProcess, World,
    WorldOptions,
};
use sea_mq_tests::{Outcome, SOON, inbox};
use serde_json::json;

use uuid::Uuid;

use super::sdk_handler;

const EVENTS: usize = 600;

#[tokio::test]
async fn events_of_a_batch_take_effect_once_in_order_and_fail_alone() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let place = world.absent_handler("sea", EffectMode::Joined, |_| Answer::Handle)?;
    let _publisher = world.worker("vibespro").start().await?;
    for n in 0..EVENTS {
        let (name, of) = (["vibe_scored", "vibe_updated"][n % 2], format!("v-{}", n % 60));
        let payload = match n % 100 {
            7 => json!({ "do": "fail once" }),
            8 => json!({ "do": "poison" }),
            _ => json!({ "n": n }),
        };
        world.emit("vibespro", Event::new(name).of(&of).payload(payload)).await?;
    }
    let handler = sdk_handler(&world, &place, "batch_handler", &[]).await?;
    let _worker = world.worker("sea").handler(&place).start().await?;
    let totals = world.check().await?;
    assert_eq!((totals.processed, totals.dead), (EVENTS - 6, 6));
    assert_eq!(inbox(&world, "'dead'").await?, 6);
    let largest = handler.output().lines().filter_map(batch_of).max();
    assert!(largest.is_some_and(|events| events > 1), "no batch was sent: {}", handler.last_lines());
    Ok(())
}

/// One event of those that came with others: what the handler does with it is the test's to say.
#[derive(Clone, Default)]
struct Odd(Arc<OnceLock<Uuid>>);

impl Odd {
    /// Whether it is this one. The first that comes with others is chosen.
    fn is(&self, call: &Call) -> bool {
        let chosen = match call.together {
            0 | 1 => self.0.get(),
            _ => Some(self.0.get_or_init(|| call.message_id)),
        };
        chosen == Some(&call.message_id)
    }
}

/// A flow whose handler offers batches of 50, which the worker knows, and finds 150 events that wait for it.
async fn backlog(
    mode: EffectMode,
    variables: &[(&str, &str)],
    behaviour: impl Fn(&Call) -> Answer + Send + Sync + 'static,
) -> Result<(World, TestHandler, [WorkerProcess; 2]), TestkitError> {
    let world = World::start(WorldOptions::default()).await?;
    let mut handler = world.handler_with("sea", mode, behaviour).await?;
    handler.offer_batches(Some(50));
    let publisher = world.worker("vibespro").start().await?;
    let launch = world.worker("sea").handler(&handler);
    let launch = variables.iter().fold(launch, |launch, (name, value)| launch.env(name, value));
    let consumer = launch.start().await?;
    consumer.wait_for_line("batch=Some(50)", SOON).await?;
    handler.stop().await;
    world.emit_many("vibespro", "vibe_scored", 150, 150).await?;
    world
        .wait_until("all are recorded", SOON, async || Ok(inbox(&world, "'ready', 'waiting'").await? == 150))
        .await?;
    handler.listen().await?;
    Ok((world, handler, [publisher, consumer]))
}

/// Those that came with others, and those that came by themselves.
fn parted(handler: &TestHandler) -> (Vec<CallRecord>, Vec<CallRecord>) {
    handler.calls().into_iter().partition(|record| record.call.together > 1)
}

async fn attempts(world: &World, condition: &str) -> Result<i64, TestkitError> {
    world
        .context("sea")?
        .count(&format!("SELECT max(attempts)::bigint FROM inbox_messages {condition}"))
        .await
}

#[tokio::test]
async fn an_event_that_hangs_costs_those_of_its_batch_one_attempt() -> Outcome {
    let (gate, odd) = (Gate::closed(), Odd::default());
    let (held, hangs) = (gate.clone(), odd.clone());
    let variables = [("HANDLER_TIMEOUT_SECS", "3"), ("MAX_DELIVER", "5")];
    let (world, handler, [_publisher, consumer]) =
        backlog(EffectMode::KeyedById, &variables, move |call| match hangs.is(call) {
            true => Answer::HangThenHandle(held.clone()),
            false => Answer::Handle,
        })
        .await?;
    world
        .wait_until("all others are processed", SOON, async || Ok(inbox(&world, "'processed'").await? == 149))
        .await?;
    assert!(attempts(&world, "WHERE state = 'processed'").await? <= 2);
    let (together, alone) = parted(&handler);
    assert!(together.iter().all(|record| record.call.attempt == 1));
    assert!(alone.iter().any(|record| record.call.attempt > 1));
    world
        .wait_until("the one that hangs is given up", SOON, async || Ok(inbox(&world, "'dead'").await? == 1))
        .await?;
    gate.open();
    let totals = world.check().await?;
    assert_eq!((totals.processed, totals.dead), (149, 1));
    // What befell a batch of many aggregates is not taken for a failing type.
    assert!(!consumer.output().contains("fails events of this type"), "{}", consumer.last_lines());
    Ok(())
}

#[tokio::test]
async fn a_batch_that_hangs_holds_up_nobody_else() -> Outcome {
    let (gate, odd) = (Gate::closed(), Odd::default());
    let (held, hangs) = (gate.clone(), odd.clone());
    let variables = [("HANDLER_TIMEOUT_SECS", "600"), ("MAX_INFLIGHT", "2")];
    let (world, _handler, _workers) =
        backlog(EffectMode::Joined, &variables, move |call| match hangs.is(call) {
            true => Answer::HangThenHandle(held.clone()),
            false => Answer::Handle,
        })
        .await?;
    gate.reached(1).await;
    world.emit_many("vibespro", "vibe_updated", 100, 100).await?;
    world
        .wait_until("all others are processed", SOON, async || Ok(inbox(&world, "'processed'").await? == 249))
        .await?;
    gate.open();
    let totals = world.check().await?;
    assert_eq!((totals.processed, totals.effects, totals.dead), (250, 250, 0));
    Ok(())
}

#[tokio::test]
async fn an_event_that_kills_its_handler_takes_none_of_its_batch_along() -> Outcome {
    let odd = Odd::default();
    let dies = odd.clone();
    let (world, handler, _workers) =
        backlog(EffectMode::Joined, &[], move |call| match dies.is(call) && call.attempt <= 2 {
            true => Answer::Die,
            false => Answer::Handle,
        })
        .await?;
    let totals = world.check().await?;
    assert_eq!((totals.processed, totals.effects, totals.dead), (150, 150, 0));
    let (_, alone) = parted(&handler);
    let again = alone.iter().find(|record| record.call.attempt == 2 && odd.is(&record.call));
    assert_eq!(handler.beside(again.unwrap()).len(), 0, "it was not called alone");
    Ok(())
}

#[tokio::test]
async fn transactions_of_a_batch_that_commit_late_change_nothing() -> Outcome {
    let gate = Gate::closed();
    let (held, odd) = (gate.clone(), Odd::default());
    let (world, _handler, _workers) =
        backlog(EffectMode::Joined, &[("HANDLER_TIMEOUT_SECS", "1")], move |call| {
            match odd.is(call) && call.attempt == 1 {
                true => Answer::HandleHolding(Hold::BeforeMark, held.clone()),
                false => Answer::Handle,
            }
        })
        .await?;
    world
        .wait_until("later attempts have succeeded", SOON, async || {
            Ok(inbox(&world, "'processed'").await? == 150)
        })
        .await?;
    gate.open();
    let open = "SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    world
        .wait_until("the late ones have ended", SOON, async || {
            Ok(world.context("sea")?.count(open).await? == 0)
        })
        .await?;
    let totals = world.check().await?;
    assert_eq!((totals.processed, totals.effects), (150, 150));
    Ok(())
}

#[tokio::test]
async fn a_batch_that_is_not_taken_is_called_for_one_by_one() -> Outcome {
    for offered_then in [Some(2), None] {
        let (world, handler, [_publisher, consumer]) =
            backlog(EffectMode::Joined, &[], |_| Answer::Handle).await?;
        world.emit_many("vibespro", "vibe_scored", 3_000, 3_000).await?;
        handler.offer_batches(offered_then);
        consumer.wait_for_line("the handler did not take a batch", SOON).await?;
        let totals = world.check().await?;
        assert_eq!((totals.processed, totals.effects), (3_150, 3_150));
        assert_eq!(attempts(&world, "").await?, 1, "a refused batch is no attempt");
    }
    Ok(())
}

/// How many events came with the one that a line tells of.
fn batch_of(line: &str) -> Option<usize> {
    line.split_whitespace().find_map(|word| word.strip_prefix("batch=")?.parse().ok())
}
