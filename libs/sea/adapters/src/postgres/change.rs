//! Writing cases and their tasks.

use sea_domain::{Case, Task, TaskId, TaskState};
use sea_ports::StoreError;
use sqlx::PgConnection;

use super::cases::with_tasks;
use super::fault::{store_error, unexpected};
use super::rows::CaseRow;

pub(super) async fn insert(transaction: &mut PgConnection, case: &Case) -> Result<(), StoreError> {
    let fields = case.fields();
    sqlx::query(
        "INSERT INTO cases (case_id, title, vibe_id, state, opened_at, revision) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(fields.case_id.0)
    .bind(fields.title.as_str())
    .bind(fields.vibe_id.as_ref().map(|vibe| vibe.as_str()))
    .bind(fields.state.as_str())
    .bind(fields.opened_at)
    .bind(fields.revision)
    .execute(&mut *transaction)
    .await
    .map_err(store_error)?;
    insert_tasks(transaction, case).await
}

/// All in one statement: a case with twenty tasks costs one round trip more than one without.
async fn insert_tasks(transaction: &mut PgConnection, case: &Case) -> Result<(), StoreError> {
    let tasks = &case.fields().tasks;
    if tasks.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = tasks.iter().map(|task| task.task_id.0).collect();
    let kinds: Vec<_> = tasks.iter().map(|task| task.kind.as_str()).collect();
    let titles: Vec<_> = tasks.iter().map(|task| task.title.as_str()).collect();
    sqlx::query(
        "INSERT INTO tasks (task_id, case_id, position, kind, title)
         SELECT t.task_id, $1, t.position - 1, t.kind, t.title
         FROM unnest($2::uuid[], $3::text[], $4::text[]) WITH ORDINALITY AS t (task_id, kind, title, position)",
    )
    .bind(case.fields().case_id.0)
    .bind(ids)
    .bind(kinds)
    .bind(titles)
    .execute(transaction)
    .await
    .map_err(store_error)?;
    Ok(())
}

/// The case that has this task.
///
/// FOR UPDATE of the case's row: its writers are in line from here to their commit, and so are
/// its events in the outbox. The tasks are read afterwards, by a statement that sees what the
/// writer before has committed.
pub(super) async fn lock_by_task(
    transaction: &mut PgConnection,
    task: TaskId,
) -> Result<Option<Case>, StoreError> {
    let row = sqlx::query_as::<_, CaseRow>(
        "SELECT c.case_id, c.title, c.vibe_id, c.state, c.opened_at, c.revision
         FROM cases c JOIN tasks t ON t.case_id = c.case_id
         WHERE t.task_id = $1 FOR UPDATE OF c",
    )
    .bind(task.0)
    .fetch_optional(&mut *transaction)
    .await
    .map_err(store_error)?;
    match row {
        Some(row) => with_tasks(transaction, row).await.map(Some),
        None => Ok(None),
    }
}

/// Writes what differs. Nobody may have written since `before` was read.
pub(super) async fn save(
    transaction: &mut PgConnection,
    before: &Case,
    after: &Case,
) -> Result<(), StoreError> {
    let saved =
        sqlx::query("UPDATE cases SET state = $3, revision = $4 WHERE case_id = $1 AND revision = $2")
            .bind(after.fields().case_id.0)
            .bind(before.fields().revision)
            .bind(after.fields().state.as_str())
            .bind(after.fields().revision)
            .execute(&mut *transaction)
            .await
            .map_err(store_error)?;
    one_row(saved.rows_affected(), "case")?;
    for (_, task) in before.fields().tasks.iter().zip(&after.fields().tasks).filter(|(old, new)| old != new) {
        save_task(transaction, task).await?;
    }
    Ok(())
}

async fn save_task(transaction: &mut PgConnection, task: &Task) -> Result<(), StoreError> {
    let TaskState::Done { by, at } = &task.state else {
        return Err(unexpected("a task that was done is never opened again"));
    };
    let saved = sqlx::query(
        "UPDATE tasks SET state = 'done', completed_by = $2, completed_at = $3
         WHERE task_id = $1 AND state = 'open'",
    )
    .bind(task.task_id.0)
    .bind(by.as_str())
    .bind(at)
    .execute(transaction)
    .await
    .map_err(store_error)?;
    one_row(saved.rows_affected(), "task")
}

/// Somebody wrote without the case's lock.
fn one_row(rows: u64, what: &str) -> Result<(), StoreError> {
    if rows == 1 { Ok(()) } else { Err(unexpected(format!("the {what} changed under its case's lock"))) }
}
