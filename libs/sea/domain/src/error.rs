use crate::TaskId;

/// What the domain refuses. The message says what to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    /// A field's value breaks its rule.
    #[error("{field}: {problem}")]
    Invalid {
        /// The field, as callers name it.
        field: &'static str,
        /// What is wrong with it and what is allowed.
        problem: String,
    },
    /// The case has no such task.
    #[error("the case has no task {0}")]
    UnknownTask(TaskId),
    /// The task was completed before; a task is completed once.
    #[error("task {task} was already completed by {by}")]
    AlreadyCompleted {
        /// The task.
        task: TaskId,
        /// Who completed it.
        by: String,
    },
}

impl DomainError {
    pub(crate) fn invalid(field: &'static str, problem: impl Into<String>) -> Self {
        Self::Invalid { field, problem: problem.into() }
    }
}
