use std::collections::HashMap;
use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use sea_domain::{Expression, Verdict};
use sea_ports::{ExpressionFault, Facts, RuleEngine, RuleEngineError};
use tokio::sync::{Semaphore, oneshot};

use super::facts::value_of;
use super::rule::Rule;

/// For the deepest tree that 2,000 bytes can be: address space, of which only what is used is
/// ever given.
const STACK_BYTES: usize = 64 * 1024 * 1024;
/// Compiled expressions that are kept. When it is full it starts over.
const MAX_KEPT: usize = 512;

/// CEL, bounded; see the module.
#[derive(Clone, Debug)]
pub struct CelRules {
    kept: Arc<Mutex<HashMap<Expression, Arc<Rule>>>>,
    slots: Arc<Semaphore>,
}

impl Default for CelRules {
    fn default() -> Self {
        Self::new()
    }
}

impl CelRules {
    /// An engine that evaluates for as many requests at a time as there are cores.
    #[must_use]
    pub fn new() -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Self { kept: Arc::default(), slots: Arc::new(Semaphore::new(cores)) }
    }

    fn rule(&self, expression: &Expression) -> Result<Arc<Rule>, ExpressionFault> {
        // What the map holds is whole whenever the lock is free.
        if let Some(rule) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(expression) {
            return Ok(Arc::clone(rule));
        }
        let rule = Arc::new(Rule::compile(expression.as_str())?);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(expression.clone(), Arc::clone(&rule));
        Ok(rule)
    }

    fn verdict(&self, expression: &Expression, facts: &cel::Value, facts_bytes: usize) -> Verdict {
        match self.rule(expression) {
            Ok(rule) => rule.evaluate(facts, facts_bytes),
            Err(fault) => Verdict::Failed(format!("its expression does not compile: {fault}")),
        }
    }

    /// Does the work on a thread of its own with a stack that is large enough, off the runtime's.
    /// On an error nothing has come of it; when the caller goes away, the work ends by its bounds.
    async fn on_large_stack<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, RuleEngineError> {
        let failed = |what: &dyn std::fmt::Display| RuleEngineError(what.to_string());
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|closed| failed(&closed))?;
        let (answer, answered) = oneshot::channel();
        let engine = self.clone();
        thread::Builder::new()
            .name("sea-rules".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                // Nobody to take it any more is no failure.
                drop(answer.send(work(&engine)));
                drop(slot);
            })
            .map_err(|error| failed(&format!("no thread for them: {error}")))?;
        answered.await.map_err(|_panicked| failed(&"the engine broke off"))
    }
}

impl RuleEngine for CelRules {
    async fn check(&self, expression: &Expression) -> Result<Result<(), ExpressionFault>, RuleEngineError> {
        let expression = expression.clone();
        self.on_large_stack(move |engine| engine.rule(&expression).map(|_rule| ())).await
    }

    async fn evaluate(
        &self,
        expressions: Vec<Expression>,
        facts: &Facts,
    ) -> Result<Vec<Verdict>, RuleEngineError> {
        let facts = facts.clone();
        self.on_large_stack(move |engine| {
            let value = value_of(&facts);
            expressions.iter().map(|expression| engine.verdict(expression, &value, facts.bytes())).collect()
        })
        .await
    }
}
