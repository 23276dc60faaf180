//! VibesPro's ports over Postgres, the system's clock and random ids.
//!
//! A command's writes are one statement each: the row, its event (`outbox_emit`) and its receipt are
//! one transaction and one round trip, and no lock outlives it. Neither knows the other's tables:
//! [`migrate`] keeps VibesPro's, the substrate's must be there already.

mod clock;
mod error;
mod ids;
mod migrate;
mod postgres;

pub use clock::SystemClock;
pub use error::AdapterError;
pub use ids::TimeOrderedIds;
pub use migrate::{AppliedMigration, MigrateReport, migrate};
pub use postgres::{Options, PostgresStore};
