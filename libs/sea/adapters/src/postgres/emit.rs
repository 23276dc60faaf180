//! SEA's events as their contracts have them, into the context's outbox.

use sea_domain::{CaseCreated, SeaEvent, TaskCompleted};
use sea_ports::{Command, StoreError};
use serde_json::{Value, json};
use sqlx::PgConnection;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::fault::{store_error, unexpected};

/// Puts the event into the outbox, in the caller's transaction.
pub(super) async fn emit(
    transaction: &mut PgConnection,
    event: &SeaEvent,
    command: &Command,
) -> Result<(), StoreError> {
    let (subject, payload) = wire(event)?;
    sqlx::query(
        "SELECT outbox_emit(subject => $1, payload => $2, aggregate_type => 'case', aggregate_id => $3,
                            correlation_id => $4, occurred_at => $5, trace_id => $6, id => $7)",
    )
    .bind(subject)
    .bind(payload)
    .bind(event.case_id().to_string())
    .bind(command.trace.correlation_id)
    .bind(event.occurred_at())
    .bind(&command.trace.traceparent)
    .bind(command.event_id)
    .execute(transaction)
    .await
    .map_err(store_error)?;
    Ok(())
}

fn wire(event: &SeaEvent) -> Result<(&'static str, Value), StoreError> {
    match event {
        SeaEvent::CaseCreated(event) => Ok(("sea.event.case_created.v1", case_created(event)?)),
        SeaEvent::TaskCompleted(event) => Ok(("sea.event.task_completed.v1", task_completed(event)?)),
    }
}

fn case_created(event: &CaseCreated) -> Result<Value, StoreError> {
    let task = |task: &sea_domain::CreatedTask| json!({"task_id": task.task_id.0, "kind": task.kind.as_str(), "title": task.title.as_str()});
    Ok(json!({
        "case_id": event.case_id.0,
        "title": event.title.as_str(),
        "vibe_id": event.vibe_id.as_ref().map(|vibe| vibe.as_str()),
        "tasks": event.tasks.iter().map(task).collect::<Vec<_>>(),
        "opened_at": rfc3339(event.opened_at)?,
    }))
}

fn task_completed(event: &TaskCompleted) -> Result<Value, StoreError> {
    Ok(json!({
        "case_id": event.case_id.0,
        "task_id": event.task_id.0,
        "kind": event.kind.as_str(),
        "completed_by": event.completed_by.as_str(),
        "completed_at": rfc3339(event.completed_at)?,
        "open_tasks": event.open_tasks,
    }))
}

fn rfc3339(time: OffsetDateTime) -> Result<String, StoreError> {
    time.format(&Rfc3339).map_err(|error| unexpected(format!("a time cannot be written: {error}")))
}
