use thiserror::Error;
use vibespro_domain::{Revision, VibeId, Violation};
use vibespro_ports::StoreError;

/// Why a command or query was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AppError {
    /// Values that a rule forbids, all of them.
    #[error("{} value(s) are unusable", .0.len())]
    Invalid(Vec<Violation>),
    /// There is no such user.
    #[error("there is no user `{0}`")]
    UnknownUser(String),
    /// There is no such vibe.
    #[error("there is no vibe {0}")]
    UnknownVibe(VibeId),
    /// The vibe is at another revision than the one that the command was decided on.
    #[error("vibe {vibe_id} is at revision {}, not {}", current.number(), expected.number())]
    Stale {
        /// The vibe.
        vibe_id: VibeId,
        /// What the command was decided on.
        expected: Revision,
        /// What the vibe is at.
        current: Revision,
    },
    /// The idempotency key belongs to another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Violation> for AppError {
    fn from(violation: Violation) -> Self {
        Self::Invalid(vec![violation])
    }
}
