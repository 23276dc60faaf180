use std::error::Error;

use sea_domain::{DomainError, TaskId};
use sea_ports::{CapabilityError, ChangeError, ExpressionFault, RuleEngineError, StoreError};

/// Why SEA did not do it. Nothing of it was done, nothing was emitted.
#[derive(Debug, thiserror::Error)]
pub enum SeaError {
    /// A field's value breaks its rule.
    #[error("{field}: {problem}")]
    Invalid {
        /// The field, as callers name it.
        field: &'static str,
        /// What is wrong with it and what is allowed.
        problem: String,
    },
    /// The expression of a policy does not compile, or cannot be a policy's.
    #[error("expression: {0}")]
    InvalidExpression(ExpressionFault),
    /// There is no such case.
    #[error("there is no such case")]
    UnknownCase,
    /// There is no such task.
    #[error("there is no such task")]
    UnknownTask,
    /// There is no such policy.
    #[error("there is no such policy")]
    UnknownPolicy,
    /// VibesPro has no such vibe.
    #[error("vibe_id: vibespro has no such vibe")]
    UnknownVibe,
    /// A task is completed once.
    #[error("task {task} was already completed by {by}")]
    AlreadyCompleted {
        /// The task.
        task: TaskId,
        /// Who completed it.
        by: String,
    },
    /// The policy has another version than the caller has seen.
    #[error("the policy is at version {current}")]
    StaleVersion {
        /// Its version now; 0: there is none.
        current: i32,
    },
    /// The idempotency key was used for another request.
    #[error("this Idempotency-Key was used for another request")]
    KeyReused,
    /// Somebody else is at it.
    #[error("another request is changing the same thing")]
    Busy,
    /// Something that is needed cannot be used at the moment.
    #[error("{what}")]
    Unavailable {
        /// What it is.
        what: &'static str,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A defect, here or in the database: trying again does not help.
    #[error("something unexpected: {0}")]
    Unexpected(String),
}

impl SeaError {
    /// The stable name of the kind of problem.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "invalid_input",
            Self::InvalidExpression(_) => "invalid_expression",
            Self::UnknownCase => "unknown_case",
            Self::UnknownTask => "unknown_task",
            Self::UnknownPolicy => "unknown_policy",
            Self::UnknownVibe => "unknown_vibe",
            Self::AlreadyCompleted { .. } => "already_completed",
            Self::StaleVersion { .. } => "stale_version",
            Self::KeyReused => "idempotency_key_reused",
            Self::Busy => "busy",
            Self::Unavailable { .. } => "unavailable",
            Self::Unexpected(_) => "internal",
        }
    }
}

impl From<DomainError> for SeaError {
    fn from(error: DomainError) -> Self {
        match error {
            DomainError::Invalid { field, problem } => Self::Invalid { field, problem },
            DomainError::UnknownTask(_) => Self::UnknownTask,
            DomainError::AlreadyCompleted { task, by } => Self::AlreadyCompleted { task, by },
        }
    }
}

impl From<StoreError> for SeaError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(source) => {
                Self::Unavailable { what: "the database cannot be used at the moment", source }
            }
            StoreError::Busy => Self::Busy,
            StoreError::KeyReused => Self::KeyReused,
            StoreError::Unexpected(what) => Self::Unexpected(what),
        }
    }
}

impl From<ChangeError> for SeaError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::NotFound => Self::UnknownTask,
            ChangeError::Refused(refused) => refused.into(),
            ChangeError::Store(store) => store.into(),
        }
    }
}

impl From<RuleEngineError> for SeaError {
    fn from(error: RuleEngineError) -> Self {
        Self::Unavailable { what: "policies cannot be evaluated at the moment", source: Box::new(error) }
    }
}

impl From<CapabilityError> for SeaError {
    fn from(error: CapabilityError) -> Self {
        match error {
            CapabilityError::NotFound => Self::UnknownVibe,
            CapabilityError::Invalid(problem) => Self::Invalid { field: "vibe_id", problem },
            stale @ CapabilityError::Stale { .. } => Self::Unexpected(stale.to_string()),
            unavailable @ CapabilityError::Unavailable { .. } => Self::Unavailable {
                what: "vibespro cannot be asked about the vibe at the moment",
                source: Box::new(unavailable),
            },
        }
    }
}
