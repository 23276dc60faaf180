use std::error::Error;

use sea_domain::DomainError;

/// Why a store did not do what it was asked to. Nothing of it was done.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, or does not answer, at the moment.
    #[error("the database cannot be used at the moment")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// Somebody else is at it, and the wait was given up.
    #[error("another request is changing the same thing")]
    Busy,
    /// The idempotency key was used for another request.
    #[error("this idempotency key was used for another request")]
    KeyReused,
    /// What is stored cannot be understood, or the store refused what it should take.
    #[error("the database refused or holds something unexpected: {0}")]
    Unexpected(String),
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// There is nothing under this identity.
    #[error("there is no such case")]
    NotFound,
    /// The domain refuses it.
    #[error(transparent)]
    Refused(#[from] DomainError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}
