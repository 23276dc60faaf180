use sea_domain::{Case, CaseId, DomainError, SeaEvent, TaskId};
use sea_ports::{
    Applied, CaseFilter, CasePosition, CaseStore, CaseSummary, ChangeError, Command, Once, Page, PageRequest,
    StoreError,
};
use sqlx::PgConnection;

use super::fault::store_error;
use super::rows::{CaseRow, CaseSnapshot, TaskRow};
use super::{PostgresSea, change, emit, keys, list};

impl CaseStore for PostgresSea {
    async fn open(
        &self,
        case: &Case,
        event: &SeaEvent,
        command: &Command,
    ) -> Result<Applied<Case>, StoreError> {
        let mut transaction = self.begin().await?;
        if let Some(before) = keys::take(&mut transaction, command.once.as_ref()).await? {
            return Ok(Applied::Before(before));
        }
        change::insert(&mut transaction, case).await?;
        emit::emit(&mut transaction, event, command).await?;
        keys::keep(&mut transaction, command.once.as_ref(), case).await?;
        transaction.commit().await.map_err(store_error)?;
        Ok(Applied::Now(case.clone()))
    }

    async fn change_by_task<D>(
        &self,
        task: TaskId,
        command: &Command,
        decide: D,
    ) -> Result<Applied<Case>, ChangeError>
    where
        D: FnOnce(&mut Case) -> Result<SeaEvent, DomainError> + Send,
    {
        let mut transaction = self.begin().await?;
        if let Some(before) = keys::take(&mut transaction, command.once.as_ref()).await? {
            return Ok(Applied::Before(before));
        }
        let before = change::lock_by_task(&mut transaction, task).await?.ok_or(ChangeError::NotFound)?;
        let mut after = before.clone();
        let event = decide(&mut after)?;
        change::save(&mut transaction, &before, &after).await?;
        emit::emit(&mut transaction, &event, command).await?;
        keys::keep(&mut transaction, command.once.as_ref(), &after).await?;
        transaction.commit().await.map_err(store_error)?;
        Ok(Applied::Now(after))
    }

    async fn carried_out(&self, once: &Once) -> Result<Option<Case>, StoreError> {
        let mut connection = self.pool().acquire().await.map_err(store_error)?;
        keys::find(&mut connection, once).await
    }

    async fn case(&self, case_id: CaseId) -> Result<Option<Case>, StoreError> {
        // One snapshot for both statements: a case is never seen with the tasks of another moment.
        let mut transaction = self
            .pool()
            .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await
            .map_err(store_error)?;
        let row = sqlx::query_as::<_, CaseRow>(
            "SELECT case_id, title, vibe_id, state, opened_at, revision FROM cases WHERE case_id = $1",
        )
        .bind(case_id.0)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(store_error)?;
        let Some(row) = row else { return Ok(None) };
        with_tasks(&mut transaction, row).await.map(Some)
    }

    async fn cases(
        &self,
        filter: &CaseFilter,
        page: PageRequest<CasePosition>,
    ) -> Result<Page<CaseSummary, CasePosition>, StoreError> {
        list::cases(self.pool(), filter, page).await
    }
}

/// The case of a row, with its tasks in order.
pub(super) async fn with_tasks(connection: &mut PgConnection, case: CaseRow) -> Result<Case, StoreError> {
    let tasks = sqlx::query_as::<_, TaskRow>(
        "SELECT task_id, kind, title, completed_by, completed_at FROM tasks
         WHERE case_id = $1 ORDER BY position, task_id",
    )
    .bind(case.case_id)
    .fetch_all(connection)
    .await
    .map_err(store_error)?;
    CaseSnapshot::new(case, tasks).into_case()
}
