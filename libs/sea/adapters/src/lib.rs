//! What stands behind SEA's ports.
//!
//! - [`PostgresSea`] keeps cases and policies in the context's own database; a change and its
//!   outbox row are one transaction. [`migrate`] makes its tables.
//! - [`CelRules`] evaluates expressions, bounded in size, depth and cost.
//! - [`InProcessVibesPro`] and [`HttpVibesPro`], by choice [`VibesProAdapter`], are VibesPro: the only place of SEA that knows
//!   anything of the other context, and of it no more than its public face.
//! - [`SystemClock`], [`RandomIds`].

mod cel;
mod postgres;
mod system;
mod vibespro;

pub use cel::{CelRules, MAX_COST};
pub use postgres::{
    AppliedMigration, KEYS_KEPT, MigrationError, PoolOptions, PostgresSea, connect, expected_migrations,
    migrate,
};
pub use system::{RandomIds, SystemClock};
pub use vibespro::{HttpVibesPro, HttpVibesProError, InProcessVibesPro, VibesProAdapter};
