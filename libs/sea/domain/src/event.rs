use time::OffsetDateTime;

use crate::{CaseId, CaseTitle, PersonName, TaskId, TaskKind, TaskTitle, VibeRef};

/// What has happened in SEA by a command. How it looks on the wire is an adapter's matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeaEvent {
    /// A case was opened.
    CaseCreated(CaseCreated),
    /// A task was completed.
    TaskCompleted(TaskCompleted),
}

impl SeaEvent {
    /// The case that it is about: events of one case are in order.
    #[must_use]
    pub fn case_id(&self) -> CaseId {
        match self {
            Self::CaseCreated(event) => event.case_id,
            Self::TaskCompleted(event) => event.case_id,
        }
    }

    /// When it happened, UTC.
    #[must_use]
    pub fn occurred_at(&self) -> OffsetDateTime {
        match self {
            Self::CaseCreated(event) => event.opened_at,
            Self::TaskCompleted(event) => event.completed_at,
        }
    }
}

/// A case was opened, with these tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseCreated {
    /// The case.
    pub case_id: CaseId,
    /// Its title.
    pub title: CaseTitle,
    /// The vibe that it is about.
    pub vibe_id: Option<VibeRef>,
    /// Its tasks, in order.
    pub tasks: Vec<CreatedTask>,
    /// When, UTC.
    pub opened_at: OffsetDateTime,
}

/// A task as the case was opened with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTask {
    /// The task.
    pub task_id: TaskId,
    /// What is to be done.
    pub kind: TaskKind,
    /// Its title.
    pub title: TaskTitle,
}

/// A task was completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskCompleted {
    /// The case.
    pub case_id: CaseId,
    /// The task.
    pub task_id: TaskId,
    /// What was to be done.
    pub kind: TaskKind,
    /// By whom.
    pub completed_by: PersonName,
    /// When, UTC.
    pub completed_at: OffsetDateTime,
    /// How many tasks of the case are still open; 0 has closed it.
    pub open_tasks: usize,
}
