//! Whether a handler keeps the rules of the handler contract, rule by rule.
//!
//! [`run`] plays the worker against any running handler service and its context's database: it makes
//! events up, records them in the inbox as started, calls over HTTP, and looks at what became of them in
//! inbox and outbox. What a rule expects and whether it came so is judged by pure functions; what is done
//! for it stands apart, a scenario for each rule of [`RULES`].

mod database;
mod error;
mod http;
mod message;
mod probe;
mod report;
mod rule;
mod run;
mod scenario;
mod signing;
mod template;
mod verdict;

pub use error::ConformError;
pub use report::{Finding, Report, Totals};
pub use rule::{Group, RULES, Rule};
pub use run::{IDLE, Invalid, PATIENCE, Settings, has_worker, offered_events, run};
pub use signing::Secret;
pub use template::Template;
pub use verdict::Verdict;
