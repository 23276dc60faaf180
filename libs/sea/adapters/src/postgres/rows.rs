//! Between rows and the domain: what is stored is read strictly.

use sea_domain::{
    Case, CaseId, CaseState, CaseTitle, DomainError, PersonName, StoredCase, Task, TaskId, TaskKind,
    TaskState, TaskTitle, VibeRef,
};
use sea_ports::StoreError;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row as _};
use time::OffsetDateTime;
use uuid::Uuid;

use super::fault::unexpected;

/// A row of `cases`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct CaseRow {
    pub(super) case_id: Uuid,
    pub(super) title: String,
    pub(super) vibe_id: Option<String>,
    pub(super) state: String,
    #[serde(with = "time::serde::rfc3339")]
    pub(super) opened_at: OffsetDateTime,
    pub(super) revision: i64,
}

/// A row of `tasks`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct TaskRow {
    pub(super) task_id: Uuid,
    pub(super) kind: String,
    pub(super) title: String,
    pub(super) completed_by: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub(super) completed_at: Option<OffsetDateTime>,
}

impl FromRow<'_, PgRow> for CaseRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            case_id: row.try_get("case_id")?,
            title: row.try_get("title")?,
            vibe_id: row.try_get("vibe_id")?,
            state: row.try_get("state")?,
            opened_at: row.try_get("opened_at")?,
            revision: row.try_get("revision")?,
        })
    }
}

impl FromRow<'_, PgRow> for TaskRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            task_id: row.try_get("task_id")?,
            kind: row.try_get("kind")?,
            title: row.try_get("title")?,
            completed_by: row.try_get("completed_by")?,
            completed_at: row.try_get("completed_at")?,
        })
    }
}

/// A case with its tasks as a command left it, kept as its result.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct CaseSnapshot {
    case: CaseRow,
    tasks: Vec<TaskRow>,
}

impl CaseSnapshot {
    pub(super) fn new(case: CaseRow, tasks: Vec<TaskRow>) -> Self {
        Self { case, tasks }
    }

    pub(super) fn of(case: &Case) -> Self {
        let fields = case.fields();
        Self { case: CaseRow::of(fields), tasks: fields.tasks.iter().map(TaskRow::of).collect() }
    }

    pub(super) fn into_case(self) -> Result<Case, StoreError> {
        let case_id = self.case.case_id;
        self.read().map_err(|error| unexpected(format!("case {case_id} as it is stored: {error}")))
    }

    fn read(self) -> Result<Case, DomainError> {
        let row = self.case;
        Ok(Case::restore(StoredCase {
            case_id: CaseId(row.case_id),
            title: CaseTitle::parse(&row.title)?,
            vibe_id: row.vibe_id.as_deref().map(VibeRef::parse).transpose()?,
            state: CaseState::parse(&row.state)?,
            opened_at: row.opened_at,
            revision: row.revision,
            tasks: self.tasks.into_iter().map(TaskRow::read).collect::<Result<_, _>>()?,
        }))
    }
}

impl CaseRow {
    fn of(fields: &StoredCase) -> Self {
        Self {
            case_id: fields.case_id.0,
            title: fields.title.as_str().to_owned(),
            vibe_id: fields.vibe_id.as_ref().map(|vibe| vibe.as_str().to_owned()),
            state: fields.state.as_str().to_owned(),
            opened_at: fields.opened_at,
            revision: fields.revision,
        }
    }
}

impl TaskRow {
    fn of(task: &Task) -> Self {
        let (completed_by, completed_at) = match &task.state {
            TaskState::Open => (None, None),
            TaskState::Done { by, at } => (Some(by.as_str().to_owned()), Some(*at)),
        };
        Self {
            task_id: task.task_id.0,
            kind: task.kind.as_str().to_owned(),
            title: task.title.as_str().to_owned(),
            completed_by,
            completed_at,
        }
    }

    fn read(self) -> Result<Task, DomainError> {
        let state = match (self.completed_by, self.completed_at) {
            (Some(by), Some(at)) => TaskState::Done { by: PersonName::parse(&by)?, at },
            (None | Some(_), None) | (None, Some(_)) => TaskState::Open,
        };
        let (kind, title) = (TaskKind::parse(&self.kind)?, TaskTitle::parse(&self.title)?);
        Ok(Task { task_id: TaskId(self.task_id), kind, title, state })
    }
}
