//! A handler with a transaction on its context's database, called with one event at a time and in batches: on the
//! Python SDK, and in a Rust worker's own process.

use std::path::Path;
use std::time::Duration;

use sea_mq_stack::{Launch, Process, StateDir, free_port, project_root};
use sea_mq_testkit::World;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const MODES: [&str; 4] = ["one by one", "each", "together", "many"];

/// Consumes the same number of events in each mode, twice.
pub(crate) async fn measure(world: &World, events: usize) -> Outcome<()> {
    for mode in MODES.into_iter().chain(MODES) {
        crate::commit(world, events).await?;
        crate::drain(world, events).await?;
        let (url, process) = start(world, mode).await?;
        let rate = crate::consume(world, events, &url).await?;
        println!("{mode:<16} {rate:>8.0}/s   {:>6.1} events in a call", events_in_a_call(&process.output()));
        let effects = "SELECT count(*) FROM (SELECT DISTINCT message_id FROM effects) e";
        assert_eq!(world.context("sea")?.count(effects).await?, i64::try_from(events)?);
        forget(world).await?;
    }
    for batches in [1, 200, 1, 200] {
        crate::commit(world, events).await?;
        crate::drain(world, events).await?;
        let worker = world.worker("sea").in_process("in_process_worker");
        let worker = crate::tuned(world, worker)?
            .env("APP_DB_URL", &world.context("sea")?.urls.app)
            .env("BATCHES", batches)
            .env("TOGETHER", 1);
        let worker = worker.start().await?;
        println!("in process, {batches:<4} {:>8.0}/s", crate::consumed(world, events).await?);
        drop(worker);
        forget(world).await?;
    }
    Ok(())
}

/// Each event has a line that says how many came with it.
#[allow(clippy::cast_precision_loss)]
fn events_in_a_call(log: &str) -> f64 {
    let together = |line: &str| -> Option<f64> {
        line.split_whitespace().find_map(|word| word.strip_prefix("batch=")?.parse().ok())
    };
    let sizes: Vec<f64> = log
        .lines()
        .filter(|line| line.contains("message_id"))
        .map(|line| together(line).unwrap_or(1.0))
        .collect();
    sizes.len() as f64 / sizes.iter().map(|size| size.recip()).sum::<f64>()
}

/// One uvicorn process.
async fn start(world: &World, mode: &str) -> Outcome<(String, Process)> {
    let address = format!("127.0.0.1:{}", free_port()?);
    // What follows is for this product's own driver.
    let database = world.context("sea")?.urls.app.split('?').next().unwrap_or_default();
    let process = Launch::new("handler", project_root().join(".venv/bin/python3"))
        .args(["-m", "sdk_handler"])
        .dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/throughput"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONPATH", project_root().join("sdk/python/src").display().to_string())
        .env("LISTEN", &address)
        .env("DB_URL", database)
        .env("MODE", mode)
        .start(&StateDir::temporary()?)
        .await?;
    process.wait_for_line("Application startup complete", Duration::from_secs(30)).await?;
    Ok((format!("http://{address}/handle"), process))
}

async fn forget(world: &World) -> Outcome<()> {
    sqlx::raw_sql("TRUNCATE inbox_messages; TRUNCATE effects").execute(&world.context("sea")?.admin).await?;
    sqlx::raw_sql("TRUNCATE outbox_events").execute(&world.context("vibespro")?.admin).await?;
    crate::remove_messages(world).await
}
