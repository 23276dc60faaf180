use thiserror::Error;
use uuid::Uuid;

/// One field of a request and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem {
    /// The field's name in the request.
    pub field: String,
    /// What it has to be.
    pub problem: String,
}

/// Why a call was not carried out. Each text says what to change.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum VibesProError {
    /// Fields of the request are unusable; all of them are listed.
    #[error("{}", listed(.fields))]
    InvalidInput {
        /// At least one.
        fields: Vec<FieldProblem>,
    },
    /// There is no such user.
    #[error("there is no user `{user_id}`; register it first")]
    UnknownUser {
        /// As it was asked for.
        user_id: String,
    },
    /// There is no such vibe.
    #[error("there is no vibe {vibe_id}")]
    UnknownVibe {
        /// As it was asked for.
        vibe_id: Uuid,
    },
    /// Somebody changed the vibe since it was read.
    #[error(
        "vibe {vibe_id} is at revision {current}, not {expected}; read it again and decide on what it says now"
    )]
    StaleRevision {
        /// The vibe.
        vibe_id: Uuid,
        /// What the command was decided on.
        expected: i64,
        /// What the vibe is at.
        current: i64,
    },
    /// The idempotency key belongs to another request.
    #[error("the idempotency key was used for another request of this kind; use a new key for a new request")]
    IdempotencyKeyReused,
    /// The database cannot be used now. Calling again later may succeed.
    #[error("vibespro's database is not available: {detail}")]
    Unavailable {
        /// Which part, and why.
        detail: String,
    },
    /// The database holds or answers what this program does not understand.
    #[error("vibespro failed: {detail}")]
    Internal {
        /// For the operator's log, not for the caller.
        detail: String,
    },
}

fn listed(fields: &[FieldProblem]) -> String {
    let each = fields.iter().map(|each| format!("{}: {}", each.field, each.problem));
    each.collect::<Vec<_>>().join("; ")
}

impl VibesProError {
    /// The stable name of the kind of problem.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidInput { .. } => "invalid_input",
            Self::UnknownUser { .. } => "unknown_user",
            Self::UnknownVibe { .. } => "unknown_vibe",
            Self::StaleRevision { .. } => "stale_revision",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::Unavailable { .. } => "unavailable",
            Self::Internal { .. } => "internal",
        }
    }
}
