//! Why a handler did not do it.

use std::any::type_name;
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

/// Why an event was not handled. Everything that was done in its transaction is rolled back.
///
/// `?` makes one of every error; the worker is told its type alone, since texts of errors quote data.
pub struct Failure {
    pub(crate) kind: Kind,
    pub(crate) at: &'static Location<'static>,
}

pub(crate) enum Kind {
    Poison(String),
    Retry { why: String, after: Option<Duration> },
    Error { of: &'static str, error: Box<dyn Error + Send + Sync> },
}

impl Failure {
    /// This event can never be handled: it becomes a dead letter (422).
    ///
    /// The text is kept beside the dead letter and logged: let it hold nothing of the payload.
    #[must_use]
    #[track_caller]
    pub fn poison(why: impl Into<String>) -> Self {
        Self::new(Kind::Poison(why.into()))
    }

    /// Not now: the event comes again (503), after a wait that doubles with each attempt from 1 s to 15 min, unless
    /// [`after`](Self::after) says when.
    ///
    /// The text is kept as the event's last error and logged: let it hold nothing of the payload.
    #[must_use]
    #[track_caller]
    pub fn retry(why: impl Into<String>) -> Self {
        Self::new(Kind::Retry { why: why.into(), after: None })
    }

    /// When to come again, at most a day from now; in whole seconds, rounded up. For [`retry`](Self::retry) only. A
    /// short wait that stays the same uses up all attempts during an outage of minutes.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        if let Kind::Retry { after, .. } = &mut self.kind {
            *after = Some(wait);
        }
        self
    }

    /// An unexpected error that `?` does not take by itself, such as a boxed one.
    #[must_use]
    #[track_caller]
    pub fn error<E: Into<Box<dyn Error + Send + Sync>>>(error: E) -> Self {
        Self::new(Kind::Error { of: type_name::<E>(), error: error.into() })
    }

    #[track_caller]
    fn new(kind: Kind) -> Self {
        Self { kind, at: Location::caller() }
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Self {
        Self::error(error)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Poison(why) => write!(f, "poison: {why}"),
            Kind::Retry { why, after } => write!(f, "retry after {after:?}: {why}"),
            Kind::Error { of, error } => write!(f, "{of}: {error}"),
        }
    }
}

impl Kind {
    /// The database's error, wherever in the chain of causes it is.
    pub(crate) fn database(&self) -> Option<&sqlx::Error> {
        let Self::Error { error, .. } = self else { return None };
        let first: &(dyn Error + 'static) = error.as_ref();
        std::iter::successors(Some(first), |&error| error.source()).find_map(|error| error.downcast_ref())
    }
}
