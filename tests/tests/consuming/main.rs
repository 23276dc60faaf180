//! From the stream to the effect.
#![allow(clippy::unwrap_used)]

mod answers;
mod batches;
mod in_process;
mod ingesting;
mod isolation;
mod signed;
mod zombies;

use std::path::Path;

use sea_mq_stack::{Launch, Process, project_root};
use sea_mq_testkit::{
    Answer, Call, EffectMode, Event, TestHandler, TestkitError, WorkerProcess, World, WorldOptions,
};
use sea_mq_tests::SOON;
use serde_json::{Value, json};
use uuid::Uuid;

/// A running flow with one worker on each side.
struct Flow {
    world: World,
    handler: TestHandler,
    publisher: WorkerProcess,
    consumer: WorkerProcess,
}

async fn flow(
    mode: EffectMode,
    variables: &[(&str, &str)],
    behaviour: impl Fn(&Call) -> Answer + Send + Sync + 'static,
) -> Result<Flow, TestkitError> {
    flow_with(WorldOptions::default(), mode, variables, behaviour).await
}

async fn flow_with(
    options: WorldOptions,
    mode: EffectMode,
    variables: &[(&str, &str)],
    behaviour: impl Fn(&Call) -> Answer + Send + Sync + 'static,
) -> Result<Flow, TestkitError> {
    let world = World::start(options).await?;
    let handler = world.handler_with("sea", mode, behaviour).await?;
    let publisher = world.worker("vibespro").start().await?;
    let mut launch = world.worker("sea").handler(&handler);
    for (name, value) in variables {
        launch = launch.env(name, value);
    }
    let consumer = launch.start().await?;
    Ok(Flow { world, handler, publisher, consumer })
}

fn told(call: &Call) -> Option<&str> {
    call.payload.get("do").and_then(Value::as_str)
}

fn tell(name: &str, aggregate: &str, what: &str) -> Event {
    Event::new(name).of(aggregate).payload(json!({ "do": what }))
}

async fn reason(world: &World, id: Uuid) -> Result<Option<String>, TestkitError> {
    let row = sqlx::query_scalar("SELECT dead_reason FROM inbox_messages WHERE message_id = $1")
        .bind(id)
        .fetch_one(&world.context("sea")?.admin)
        .await?;
    Ok(row)
}

/// A program of this folder on the Python SDK, in the place of `place` and on its port.
async fn sdk_handler(
    world: &World,
    place: &TestHandler,
    module: &str,
    variables: &[(&str, &str)],
) -> Result<Process, TestkitError> {
    let url = place.url();
    let address = url.trim_start_matches("http://").trim_end_matches("/handle");
    // What follows is for this product's own driver.
    let database = world.context("sea")?.urls.app.split('?').next().unwrap_or_default();
    let launch = Launch::new(module, project_root().join(".venv/bin/python3"))
        .args(["-m", module])
        .dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/consuming"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONPATH", project_root().join("sdk/python/src").display().to_string())
        .env("LISTEN", address)
        .env("DB_URL", database);
    let launch = variables.iter().fold(launch, |launch, (name, value)| launch.env(*name, *value));
    let process = launch.start(world.state()).await?;
    process.wait_for_line("Uvicorn running on", SOON).await?;
    Ok(process)
}
