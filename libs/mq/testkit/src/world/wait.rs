use std::fmt::Write as _;
use std::time::Duration;

use sqlx::PgPool;
use tokio::time::Instant;

use super::World;
use super::worker::tail;
use crate::TestkitError;

/// Between two looks at a condition outside of the process.
const LOOK: Duration = Duration::from_millis(20);
/// The first rows that are open, with the floor that their lane is read from.
const OPEN: &str = "
    SELECT m.state || ' ' || coalesce(m.aggregate_id, '-') || ' lane ' || m.lane || ' pos ' || m.pos
               || ' floor ' || coalesce(p.floor, -1),
           m.attempts::bigint, m.last_error
    FROM inbox_messages m
    LEFT JOIN mq_positions p ON p.role = 'dispatch/' || m.consumer AND p.lane = m.lane
    WHERE m.state NOT IN ('processed', 'dead') ORDER BY m.pos LIMIT 12";
/// A database that is down must not keep the report of a failure.
const REPORT_LIMIT: Duration = Duration::from_secs(3);

/// Looks until the condition holds. `Err` with what the last look said, when time is up. A look that
/// fails counts as "not yet": servers are killed here.
pub(super) async fn poll(
    limit: Duration,
    condition: impl AsyncFn() -> Result<bool, TestkitError>,
) -> Result<(), String> {
    let deadline = Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).max(LOOK);
        let said = match tokio::time::timeout(left, condition()).await {
            Ok(Ok(true)) => return Ok(()),
            Ok(Ok(false)) => "not yet".to_owned(),
            Ok(Err(error)) => format!("{error:?}"),
            Err(_) => "the look itself did not end".to_owned(),
        };
        if Instant::now() >= deadline {
            return Err(said);
        }
        tokio::time::sleep(LOOK).await;
    }
}

impl World {
    /// Waits until a condition holds; when it does not in time, the error shows how things stand.
    ///
    /// # Errors
    /// [`TestkitError::TimedOut`] with counts by state and the ends of the workers' logs.
    pub async fn wait_until(
        &self,
        what: &str,
        limit: Duration,
        condition: impl AsyncFn() -> Result<bool, TestkitError>,
    ) -> Result<(), TestkitError> {
        match poll(limit, condition).await {
            Ok(()) => Ok(()),
            Err(said) => Err(TestkitError::TimedOut {
                what: what.to_owned(),
                after: limit,
                state: format!("last look: {said}\n{}", self.describe().await),
            }),
        }
    }

    /// Counts by state of every context, and the ends of the workers' logs.
    pub async fn describe(&self) -> String {
        let mut text = String::new();
        for context in self.contexts.values() {
            for (table, sql) in [
                ("outbox", "SELECT state, count(*), max(publish_error) FROM outbox_events GROUP BY state"),
                ("inbox", "SELECT state, count(*), max(last_error) FROM inbox_messages GROUP BY state"),
                ("open in the inbox", OPEN),
            ] {
                let counts = tokio::time::timeout(REPORT_LIMIT, counts(&context.admin, sql)).await;
                let counts = counts.unwrap_or_else(|_| "no answer".to_owned());
                let _ = writeln!(text, "{} {table}: {counts}", context.name);
            }
        }
        for log in self.logs() {
            let output = std::fs::read(&log).unwrap_or_default();
            let name = log.file_stem().unwrap_or_default().to_string_lossy();
            let _ = writeln!(text, "--- {name} ---\n{}", tail(&String::from_utf8_lossy(&output)));
        }
        text
    }
}

async fn counts(pool: &PgPool, sql: &'static str) -> String {
    let rows: Result<Vec<(String, i64, Option<String>)>, _> = sqlx::query_as(sql).fetch_all(pool).await;
    match rows {
        Ok(rows) if rows.is_empty() => "empty".to_owned(),
        Ok(rows) => rows
            .iter()
            .map(|(state, count, error)| match error {
                Some(error) => format!("{count} {state} ({error})"),
                None => format!("{count} {state}"),
            })
            .collect::<Vec<_>>()
            .join(", "),
        Err(error) => error.to_string(),
    }
}
