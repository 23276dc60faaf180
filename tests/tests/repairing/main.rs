//! A stream loses messages, which is noticed, and `sea-mq replay` puts them back from the outbox.
#![allow(clippy::unwrap_used)]

mod noticing;
mod replaying;

use sea_mq_stack::workspace_binary;
use sea_mq_testkit::{TestHandler, TestkitError, Totals, WorkerProcess, World, check};
use sea_mq_tests::{Outcome, SOON, outbox};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Output;
use std::time::Duration;
use tokio::process::Command;
use uuid::Uuid;

/// Longer than it takes from a purge to the start of the repair.
const WINDOW: Duration = Duration::from_secs(8);

/// What a run of the command left behind.
#[derive(Debug)]
struct Ran {
    /// `None`: killed.
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn of(done: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: done.status.code(), out: text(done.stdout), err: text(done.stderr) }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The ids of a field, when all went well.
    fn ids(&self, field: &str) -> BTreeSet<Uuid> {
        assert_eq!(self.code, Some(0), "{self:?}");
        let found = self.json()[field].as_array().unwrap().clone();
        found.iter().map(|id| id.as_str().unwrap().parse().unwrap()).collect()
    }

    fn refused(&self, code: i32, said: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.err.contains(said), "{said} in {self:?}");
    }
}

/// The command for `vibespro`, with these variables in the place of the right ones.
fn command(world: &World, arguments: &[&str], variables: &[(&str, &str)]) -> Result<Command, TestkitError> {
    let context = world.context("vibespro")?;
    let mut command = Command::new(workspace_binary("sea-mq")?);
    command
        .args(["--json", "replay"])
        .args(arguments)
        .env_clear()
        .env("CONTEXT", context.name.as_str())
        .env("DB_URL", &context.urls.worker)
        .env("NATS_SERVERS", world.nats_urls().join(","))
        .envs(variables.iter().copied())
        .kill_on_drop(true);
    Ok(command)
}

async fn replay_with(world: &World, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    Ran::of(command(world, arguments, variables).unwrap().output().await.unwrap())
}

async fn replay(world: &World, arguments: &[&str]) -> Ran {
    replay_with(world, arguments, &[]).await
}

fn stream(world: &World) -> String {
    world.context("vibespro").unwrap().name.event_stream()
}

async fn stored(world: &World) -> Result<u64, TestkitError> {
    Ok(world.broker().stream_info(&stream(world)).await?.messages())
}

async fn purge(world: &World) {
    world.jetstream().get_stream(stream(world)).await.unwrap().purge().await.unwrap();
}

async fn emitted(world: &World, name: &str, count: i64, published: i64) -> Outcome {
    world.emit_many("vibespro", name, count, 5).await?;
    world
        .wait_until("all are published", SOON, async || Ok(outbox(world, "'published'").await? == published))
        .await
}

async fn consumer(world: &World, handler: &TestHandler) -> Result<WorkerProcess, TestkitError> {
    world.worker("sea").handler(handler).start().await
}

async fn stop(worker: WorkerProcess) -> Outcome {
    worker.terminate().await?;
    assert!(worker.wait_within(SOON).await?.success());
    Ok(())
}

/// The consumer counts so many losses; the line of each says what to do.
async fn tells(world: &World, consumer: &WorkerProcess, times: f64) -> Result<String, TestkitError> {
    world
        .wait_until("the loss is counted", SOON, async || {
            Ok(consumer.metric("stream_dropped_total").await == Some(times))
        })
        .await?;
    let source = &world.context("vibespro")?.name;
    Ok(consumer.wait_for_line(&format!("sea-mq replay --context {source}"), SOON).await?)
}

/// Every promise was kept; events that were put back may have come late.
async fn judged(world: &World, replayed: BTreeSet<Uuid>) -> Result<Totals, TestkitError> {
    world.settle().await?;
    let mut history = world.history().await?;
    history.replayed = replayed;
    check(&history).clean()
}
