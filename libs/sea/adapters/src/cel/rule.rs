use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::{Context, Env, ExecutionError, Program, Value};
use sea_domain::Verdict;
use sea_ports::ExpressionFault;

use super::check::check;
use super::cost::{MAX_COST, cost};
use super::position::{of_parser, shortened};

static STANDARD: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib().with_optional_support(false)));

/// An expression that may be evaluated.
#[derive(Debug)]
pub(super) struct Rule {
    program: Program,
}

impl Rule {
    /// Parses and checks. Needs a large stack; what comes out needs none.
    pub(super) fn compile(text: &str) -> Result<Self, ExpressionFault> {
        let program = STANDARD.compile(text).map_err(|errors| of_parser(&errors))?;
        check(program.expression(), program.source_info())?;
        if cost(program.expression(), 0) > MAX_COST {
            let problem = "it is too much work whatever the facts are: split the policy".to_owned();
            return Err(ExpressionFault { line: 1, column: 1, problem });
        }
        Ok(Self { program })
    }

    /// Evaluates over facts that are so many bytes of JSON.
    pub(super) fn evaluate(&self, facts: &Value, facts_bytes: usize) -> Verdict {
        let steps = cost(self.program.expression(), facts_bytes);
        if steps > MAX_COST {
            return Verdict::Failed(format!(
                "over {facts_bytes} bytes of facts it may take {steps} steps, {MAX_COST} are allowed: \
                 send fewer facts, or loop less in the policy"
            ));
        }
        let mut context = Context::with_env(Arc::clone(&STANDARD));
        context.add_variable_from_value("facts", facts.clone());
        // The library must never panic, and what it borrows here is gone afterwards if it does.
        let result = catch_unwind(AssertUnwindSafe(|| self.program.execute(&context)));
        result.map_or_else(|_panic| Verdict::Failed("the evaluation broke off".to_owned()), verdict)
    }
}

fn verdict(result: Result<Value, ExecutionError>) -> Verdict {
    match result {
        Ok(Value::Bool(true)) => Verdict::Holds,
        Ok(Value::Bool(false)) => Verdict::Violated,
        Ok(other) => Verdict::Failed(format!("it says neither true nor false but {}", other.type_of())),
        Err(error) => Verdict::Failed(shortened(&error.to_string())),
    }
}
