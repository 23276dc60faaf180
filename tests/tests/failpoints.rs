//! A worker dies, fails, delays or freezes at every named boundary; another carries on; the checker judges.
//!
//! In pairs at every one a worker dies, and the operation of another fails, each once. By themselves they are
//! walked at every tenth, and all of them with `SEA_MQ_WALKS=all`. `SEA_MQ_PAIRS` is the seed of the pairs, or
//! `all`. `SEA_MQ_WALK` chooses the walks that touch failpoints of that name.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use sea_mq_stack::{Process, project_root};
use sea_mq_testkit::failpoints::{
    Action, FAILPOINTS, Side, Walk, all_pairs, alone, failing_then_frozen, names_in_source, some_pairs,
};
use sea_mq_testkit::{Answer, Event, TestHandler, TestkitError, WorkerProcess, World, WorldOptions};
use sea_mq_tests::{Outcome, SOON, inbox, outbox, retry_parked};
use serde_json::json;
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

/// Walks of all tests that run at a time: each waits for a lease to run out most of the time.
static AT_A_TIME: Semaphore = Semaphore::const_new(5);
const SEED: u64 = 5;
/// Less than the publisher waits for an answer of the database.
const WITHOUT_WAITING: Duration = Duration::from_secs(8);

#[test]
fn every_failpoint_of_the_source_is_walked() {
    let walked: BTreeMap<String, bool> =
        FAILPOINTS.iter().map(|failpoint| (failpoint.name.to_owned(), true)).collect();
    assert_eq!(walked.len(), FAILPOINTS.len(), "one is listed twice");
    assert_eq!(names_in_source(&project_root()).unwrap(), walked, "a name, and whether it can fail");
}

/// What a command passes is walked where the command is tested.
#[test]
fn every_failpoint_of_a_command_is_named_by_a_test() {
    let tests = [include_str!("failpoints.rs"), include_str!("repairing/replaying.rs")].concat();
    for failpoint in FAILPOINTS.iter().filter(|failpoint| failpoint.side == Side::Command) {
        assert!(tests.contains(failpoint.name), "no test walks {}", failpoint.name);
    }
}

async fn all_of(walks: Vec<Walk>) {
    let wanted = std::env::var("SEA_MQ_WALK").unwrap_or_default();
    let walks = walks.into_iter().filter(|walk| walk.touches(&wanted)).map(async |walk| {
        let _turn = AT_A_TIME.acquire().await.unwrap();
        walk.go().await.err().map(|error| format!("==== {walk} ====\n{error:?}\n"))
    });
    let failed: Vec<String> = join_all(walks).await.into_iter().flatten().collect();
    assert!(failed.is_empty(), "{} walks failed\n{}", failed.len(), failed.join("\n"));
}

/// All of them, or every tenth.
fn chosen(walks: Vec<Walk>) -> Vec<Walk> {
    let all = std::env::var("SEA_MQ_WALKS").as_deref() == Ok("all");
    walks.into_iter().step_by(if all { 1 } else { 10 }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_at_any_failpoint_breaks_no_promise() {
    all_of(chosen(alone(Action::Crash))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_fails_or_is_delayed_at_any_failpoint_breaks_no_promise() {
    all_of(chosen([alone(Action::Error), alone(Action::Delay)].concat())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_freezes_at_any_failpoint_breaks_no_promise() {
    all_of(chosen([alone(Action::Freeze), failing_then_frozen()].concat())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_die_one_after_the_other_break_no_promise() {
    let walks = match std::env::var("SEA_MQ_PAIRS").as_deref() {
        Ok("all") => all_pairs(),
        Ok(seed) => some_pairs(seed.parse().unwrap()),
        Err(_) => some_pairs(SEED),
    };
    all_of(walks).await;
}

/// One event is parked, three are held behind it; the reason is gone.
struct Parked {
    _turn: SemaphorePermit<'static>,
    world: World,
    event: Uuid,
    _handler: TestHandler,
    _workers: [WorkerProcess; 2],
}

impl Parked {
    async fn make() -> Result<Self, TestkitError> {
        let turn = AT_A_TIME.acquire().await.unwrap();
        let world = World::start(WorldOptions::default()).await?;
        world.configure_stream("vibespro", |config| config.max_message_size = 4_000).await?;
        let handler = world.handler("sea", |_| Answer::Handle).await?;
        let publisher = world.worker("vibespro").start().await?;
        let consumer = world.worker("sea").handler(&handler).start().await?;
        let large = Event::new("vibe_grown").of("large").payload(json!("x".repeat(8_000)));
        let event = world.emit("vibespro", large).await?;
        for _ in 0..3 {
            world.emit("vibespro", Event::new("vibe_updated").of("large")).await?;
        }
        world
            .wait_until("three are held behind the parked one", SOON, async || {
                Ok(outbox(&world, "'parked'").await? == 1 && outbox(&world, "'held'").await? == 3)
            })
            .await?;
        world.configure_stream("vibespro", |config| config.max_message_size = -1).await?;
        Ok(Self { _turn: turn, world, event, _handler: handler, _workers: [publisher, consumer] })
    }

    /// Starts the command that puts it back in line, which does this half way.
    async fn retry(&self, action: &str) -> Result<Process, TestkitError> {
        let armed = format!("outbox.retry.between={action}");
        let command = retry_parked(&self.world, self.event, &[("SEA_MQ_FAILPOINTS", &armed)]).await?;
        command.wait_for_line(&format!("failpoint {armed}").replace('=', ": "), SOON).await?;
        Ok(command)
    }

    /// Once more, undisturbed: `held` are put back with it, and all that there is arrives.
    async fn is_put_back(&self, held: i64, processed: usize) -> Outcome {
        let as_before = async || {
            Ok((outbox(&self.world, "'parked'").await?, outbox(&self.world, "'held'").await?) == (1, held))
        };
        self.world.wait_until("it is parked and holds back what comes after it", SOON, as_before).await?;
        let again = retry_parked(&self.world, self.event, &[]).await?;
        let line = format!("put back in line: event {} and {held} held behind it", self.event);
        again.wait_for_line(&line, SOON).await?;
        assert!(again.wait_within(SOON).await?.success());
        let totals = self.world.check().await?;
        assert_eq!((totals.processed, totals.parked), (processed, 0));
        Ok(())
    }
}

#[tokio::test]
async fn a_retry_of_a_parked_row_that_dies_half_way_changes_nothing() -> Outcome {
    let parked = Parked::make().await?;
    let command = parked.retry("crash").await?;
    assert!(!command.wait_within(SOON).await?.success());
    parked.is_put_back(3, 4).await
}

#[tokio::test]
async fn a_retry_of_a_parked_row_that_fails_half_way_changes_nothing_and_says_so() -> Outcome {
    let parked = Parked::make().await?;
    let command = parked.retry("error").await?;
    assert!(!command.wait_within(SOON).await?.success());
    assert!(command.output().contains("could not retry a parked row"), "{}", command.last_lines());
    parked.is_put_back(3, 4).await
}

/// Such as that of a laptop that was closed. Its lock on the parked row ends, as the database bounds
/// how long a transaction may stand idle.
#[tokio::test]
async fn a_retry_of_a_parked_row_that_freezes_half_way_keeps_back_its_aggregate_only() -> Outcome {
    let parked = Parked::make().await?;
    let mut command = parked.retry("freeze").await?;
    let world = &parked.world;
    world.emit("vibespro", Event::new("vibe_updated").of("large")).await?;
    for n in 0..20 {
        world.emit("vibespro", Event::new("vibe_updated").of(format!("other-{n}"))).await?;
    }
    world
        .wait_until("the other aggregates' events are processed", WITHOUT_WAITING, async || {
            Ok(inbox(world, "'processed'").await? == 20)
        })
        .await?;
    command.thaw().await?;
    assert!(!command.wait_within(SOON).await?.success());
    assert!(command.output().contains("could not retry a parked row"), "{}", command.last_lines());
    parked.is_put_back(4, 25).await
}
