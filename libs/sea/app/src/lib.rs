//! SEA's use cases: what can be asked of it, whoever asks and over whatever wire.
//!
//! - [`Cases`]: open a case, complete a task, a case with its tasks, cases.
//! - [`Policies`]: the next version of a policy, policies and their versions, an evaluation.
//!
//! They know neither SQL nor HTTP nor the broker; time, identities, stores, the engine and
//! VibesPro come in as ports.

mod cases;
mod digest;
mod error;
mod policies;

pub use cases::{COMPLETE_TASK, Cases, CompleteTask, OPEN_CASE, OpenCase, RequestedTask};
pub use error::SeaError;
pub use policies::{MAX_ACTIVE_POLICIES, Policies, PutPolicy};

use sea_ports::{IdempotencyKey, Trace};

/// How a command was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// Travels with the events that it causes.
    pub trace: Trace,
    /// Carried out once under this key.
    pub key: Option<IdempotencyKey>,
}
