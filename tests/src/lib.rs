//! What the end-to-end tests share. Each test ends with the verdict of the history checker.

use std::collections::HashMap;
use std::time::Duration;

use sea_mq_stack::{Launch, Process, workspace_binary};
use sea_mq_testkit::{TestkitError, World};
use time::OffsetDateTime;
use uuid::Uuid;

/// What a test returns: the error's `Debug` form is made for reading.
pub type Outcome = Result<(), TestkitError>;

/// Longer than anything that is not stuck.
pub const SOON: Duration = Duration::from_secs(30);

/// From commit to effect of the events of one name that have an effect, shortest first.
///
/// # Errors
/// A database did not answer.
pub async fn latencies(world: &World, event: &str) -> Result<Vec<Duration>, TestkitError> {
    let effects: Vec<(Uuid, OffsetDateTime)> = sqlx::query_as("SELECT message_id, made_at FROM effects")
        .fetch_all(&world.context("sea")?.admin)
        .await?;
    let made: HashMap<Uuid, OffsetDateTime> = effects.into_iter().collect();
    let committed: Vec<(Uuid, OffsetDateTime)> =
        sqlx::query_as("SELECT id, recorded_at FROM outbox_events WHERE event_type = $1")
            .bind(event)
            .fetch_all(&world.context("vibespro")?.admin)
            .await?;
    let mut latencies: Vec<Duration> = committed
        .iter()
        .filter_map(|(id, at)| Some(Duration::try_from(*made.get(id)? - *at).unwrap_or_default()))
        .collect();
    latencies.sort_unstable();
    Ok(latencies)
}

/// The latency that this share (in per cent) of sorted latencies does not exceed.
#[must_use]
pub fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default()
}

/// How many rows of `sea`'s inbox are in one of these states (a list for SQL, such as `'ready'`).
///
/// # Errors
/// The database did not answer.
pub async fn inbox(world: &World, states: &str) -> Result<i64, TestkitError> {
    world
        .context("sea")?
        .count(&format!("SELECT count(*) FROM inbox_messages WHERE state IN ({states})"))
        .await
}

/// How many rows of `vibespro`'s outbox are in one of these states.
///
/// # Errors
/// The database did not answer.
pub async fn outbox(world: &World, states: &str) -> Result<i64, TestkitError> {
    world
        .context("vibespro")?
        .count(&format!("SELECT count(*) FROM outbox_events WHERE state IN ({states})"))
        .await
}

/// Starts the operator's command that puts a parked event of `vibespro` back in line.
///
/// # Errors
/// The command was not built, or could not be started.
pub async fn retry_parked(
    world: &World,
    id: Uuid,
    variables: &[(&str, &str)],
) -> Result<Process, TestkitError> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let command = Launch::new("retry", workspace_binary("sea-mq")?)
        .args(["outbox", "retry", &id.to_string()])
        .own_environment_only()
        .env("DB_URL", &world.context("vibespro")?.urls.worker)
        .envs(variables)
        .start(world.state())
        .await?;
    Ok(command)
}
