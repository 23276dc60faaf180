use thiserror::Error;

/// A value that a rule forbids: which one, and what it has to be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{field}: {problem}")]
pub struct Violation {
    /// The value's name in a request.
    pub field: &'static str,
    /// What it has to be, and what it is.
    pub problem: String,
}

impl Violation {
    /// A violation of `field`.
    pub fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self { field, problem: problem.into() }
    }
}
