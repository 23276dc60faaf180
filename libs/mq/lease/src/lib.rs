//! Lanes owned by lease: one mechanism for the publisher, ingest and dispatch.
//!
//! ```text
//!            joined                expired, buried by anybody
//!  instance ───────▶ alive ──────────────────────────────────▶ gone ──▶ joined anew, new id
//!                     │ ▲ renewed every tick
//!                     ▼ │
//!  lane      free ──taken (epoch + 1)──▶ held ──released, or its holder gone──▶ free
//! ```
//!
//! A lane is held as long as its holder's row in `mq_instances` lives. Statements that act on a
//! lane lock that row `FOR KEY SHARE`: burying it waits for them, and whoever is buried changes
//! nothing any more. Nothing here is session state, so it works behind a transaction pooler, and
//! nothing here spans two statements, so a frozen process holds no lock.

mod registry;
mod share;

pub use registry::{Holdings, Lease, LeaseError, Registry, Role};
pub use share::{fair_share, surplus};
