//! What is done for each rule. Each scenario makes events of its own.

pub(crate) mod attempts;
pub(crate) mod batches;
pub(crate) mod calls;
pub(crate) mod capabilities;
pub(crate) mod emitted;
pub(crate) mod health;
pub(crate) mod racing;
pub(crate) mod refusals;
pub(crate) mod signatures;

use crate::ConformError;
use crate::verdict::Verdict;

/// What a scenario comes to.
pub(crate) type Outcome = Result<Verdict, ConformError>;
