//! Breaks a running system on purpose, and shows event by event that its promises held.
//!
//! [`run()`] brings up two contexts on a real Postgres and three NATS nodes, with two workers each and
//! FastAPI handlers, puts a mixed load on them, and injects the faults of a [`schedule()`] that follows from
//! a seed. When everything is healed it reads what was committed, stored, recorded, effected and
//! dead-lettered, and lets the history checker judge. The [`Report`] is JSON and a page.
//!
//! ```text
//!   seed ──▶ schedule ──▶ inject ──▶ ground ◀── load          watch, once a second
//!                          (heal)      │                        │
//!                                      ▼                        ▼
//!                                    judge ──────────────▶   report
//! ```

mod error;
mod fault;
mod ground;
mod inject;
mod judge;
mod load;
mod options;
mod recovery;
pub mod report;
mod run;
mod schedule;
mod watch;

pub use error::ChaosError;
pub use fault::FaultKind;
pub use options::Options;
pub use report::Report;
pub use run::{Finished, run};
pub use schedule::{DEFAULT_EVERY, Planned, schedule};
