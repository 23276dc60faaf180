mod cases;
mod change;
mod connect;
mod emit;
mod fault;
mod keys;
mod list;
mod migrate;
mod policies;
mod rows;

pub use connect::{PoolOptions, connect};
pub use keys::KEYS_KEPT;
pub use migrate::{AppliedMigration, MigrationError, expected_migrations, migrate};

use sqlx::PgPool;

/// SEA's tables, reached as the context's application role.
///
/// ```text
///   open, change:  BEGIN ─▶ the caller's key ─▶ case row locked ─▶ state ─▶ outbox_emit ─▶ COMMIT
/// ```
#[derive(Clone, Debug)]
pub struct PostgresSea {
    pool: PgPool,
}

impl PostgresSea {
    /// Over a pool; see [`connect`].
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }
}
