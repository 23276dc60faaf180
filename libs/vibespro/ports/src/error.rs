use thiserror::Error;
use vibespro_domain::Revision;

/// Why the store did not answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// It cannot be used now; later it may. A write may or may not have been carried out.
    #[error("cannot {doing}: {detail}")]
    Unavailable {
        /// What was asked of it.
        doing: &'static str,
        /// Why not.
        detail: String,
    },
    /// It answered what this program does not understand, or refused what it should take.
    #[error("cannot {doing}: {detail}")]
    Unexpected {
        /// What was asked of it.
        doing: &'static str,
        /// What is wrong.
        detail: String,
    },
}

/// Why a write was not carried out. Except after [`StoreError::Unavailable`], nothing of it happened.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WriteError {
    /// There is no such user.
    #[error("no such user")]
    UnknownUser,
    /// There is no such vibe.
    #[error("no such vibe")]
    UnknownVibe,
    /// The vibe is not at the revision before the change.
    #[error("the vibe is at revision {}", current.number())]
    Stale {
        /// What it is at.
        current: Revision,
    },
    /// A write with this operation's idempotency key was carried out before.
    #[error("the idempotency key is taken")]
    KeyTaken,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}
