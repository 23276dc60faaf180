//! What SEA's use cases need from outside, as traits: a store, a clock, identities, an engine for
//! expressions, and VibesPro as SEA sees it.
//!
//! Whether a rule's expression holds is asked through [`RuleEngine`], not computed in the domain:
//! the expression language is a library with its own parser, limits and failures, and the domain
//! knows no library. What follows from its answers is the domain's.

mod command;
mod error;
mod facts;
mod page;
mod rules;
mod store;
mod system;
mod vibespro;

pub use command::{Applied, Command, IdempotencyKey, Once, RequestDigest, Trace};
pub use error::{ChangeError, StoreError};
pub use facts::{Facts, MAX_FACTS_BYTES};
pub use page::{Page, PageLimit, PageRequest};
pub use rules::{ExpressionFault, RuleEngine, RuleEngineError};
pub use store::{CaseFilter, CasePosition, CaseStore, CaseSummary, PolicyStore};
pub use system::{Clock, IdSource};
pub use vibespro::{CapabilityError, NewVibe, ScoreVibe, VibeSummary, VibesProCapability};
