use std::fmt;
use std::time::Duration;

use sea_mq_database::DatabaseError;
use sea_mq_stack::StackError;
use sea_mq_stream::StreamError;

/// Why a test could not go on, or what it found. `Debug` reads like `Display`, with the causes, so
/// that a test may simply return it.
#[derive(thiserror::Error)]
pub enum TestkitError {
    /// A server or process could not be started, stopped or found.
    #[error("{0}")]
    Stack(Box<StackError>),
    /// A database could not be provisioned or reached.
    #[error("{0}")]
    Database(Box<DatabaseError>),
    /// A statement failed.
    #[error("a statement failed")]
    Sql(#[from] sqlx::Error),
    /// The topology could not be applied or read.
    #[error("{0}")]
    Stream(Box<StreamError>),
    /// The broker refused something that the test asked of it directly.
    #[error("{doing}: {reason}")]
    Broker {
        /// What was being done.
        doing: String,
        /// What the client said.
        reason: String,
    },
    /// A file or socket.
    #[error("{doing}: {source}")]
    System {
        /// What was being done.
        doing: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A condition did not come true.
    #[error("after {after:?} it was still awaited that {what}\n{state}")]
    TimedOut {
        /// The condition.
        what: String,
        /// How long was waited.
        after: Duration,
        /// How things stood.
        state: String,
    },
    /// The checker found broken promises.
    #[error("{0}")]
    Broken(String),
    /// What a test expected of the run is not so.
    #[error("{0}")]
    Unexpected(String),
}

impl TestkitError {
    /// For `map_err`: what was asked of the broker.
    pub fn broker<E: fmt::Display>(doing: impl Into<String>) -> impl FnOnce(E) -> Self {
        let doing = doing.into();
        move |error| Self::Broker { doing, reason: error.to_string() }
    }

    /// For `map_err`: what was asked of the system.
    pub fn system(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::System { doing, source }
    }
}

impl From<StackError> for TestkitError {
    fn from(error: StackError) -> Self {
        Self::Stack(Box::new(error))
    }
}

impl From<DatabaseError> for TestkitError {
    fn from(error: DatabaseError) -> Self {
        Self::Database(Box::new(error))
    }
}

impl From<StreamError> for TestkitError {
    fn from(error: StreamError) -> Self {
        Self::Stream(Box::new(error))
    }
}

impl fmt::Debug for TestkitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            write!(f, "\n  because: {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
