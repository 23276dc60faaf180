//! The loops of one context's worker: publish; ingest → dispatch → settle; supervision.
//!
//! ```text
//!   publish     outbox rows of the owned lanes → stream
//!   ingest      stream → inbox, one instance per durable
//!   dispatch    inbox rows of the owned lanes → handler → settled, dead letters
//!   leases      who owns what          maintain   gauges, clean-up
//! ```

mod dispatch;
mod in_process;
mod ingest;
mod leases;
#[cfg(debug_assertions)]
mod lost;
mod maintain;
mod program;
mod publish;
mod run;
mod slot;
mod start;

pub use in_process::InProcess;
pub use program::{HandlersError, worker, worker_with};
pub use run::{WorkerError, run};
