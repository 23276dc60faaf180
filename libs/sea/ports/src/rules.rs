use std::future::Future;

use sea_domain::{Expression, Verdict};

use crate::Facts;

/// Where and why an expression cannot be a policy's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct ExpressionFault {
    /// From 1.
    pub line: u32,
    /// From 1, characters.
    pub column: u32,
    /// What is wrong.
    pub problem: String,
}

/// The engine itself cannot work at the moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("policies cannot be evaluated at the moment: {0}")]
pub struct RuleEngineError(pub String);

/// Evaluates expressions over `facts`. Both questions are pure: no effect, the same answer always.
pub trait RuleEngine: Send + Sync {
    /// Whether an expression can be a policy's: it compiles, asks about nothing but `facts`, and
    /// can be a truth value.
    ///
    /// # Errors
    /// [`RuleEngineError`], when it could not be found out.
    fn check(
        &self,
        expression: &Expression,
    ) -> impl Future<Output = Result<Result<(), ExpressionFault>, RuleEngineError>> + Send;

    /// What each expression says about the facts, in the order given. An expression that fails is
    /// a [`Verdict::Failed`], not an error.
    ///
    /// # Errors
    /// [`RuleEngineError`], when it could not be found out.
    fn evaluate(
        &self,
        expressions: Vec<Expression>,
        facts: &Facts,
    ) -> impl Future<Output = Result<Vec<Verdict>, RuleEngineError>> + Send;
}
