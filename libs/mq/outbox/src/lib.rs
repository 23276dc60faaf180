//! The outbox in Postgres: insert in the caller's transaction, scout, claim, mark, park.
//!
//! The state machine is drawn in the schema (`0002_outbox.sql`). Every operation here is a single
//! statement: no lock and no transaction outlives it, whatever happens to this process. Each is
//! answered within 15 s ([`sea_mq_database::ANSWER_WITHIN`]) or fails with [`OutboxError::NoAnswer`].
//!
//! # Finding work without walking history
//!
//! Rows leave the partial index of ready rows when they are published, but with an old transaction
//! open their dead entries stay. So each lane is read from a cursor on. A row that commits late
//! lies below the cursor; [`Outbox::scout`] finds it by its transaction, which was not visible in
//! the snapshot of the last look, and the cursor steps back. Nothing depends on the cursor for
//! safety: a row is pending because its own state says so.

mod answer;
mod claim;
mod emit;
mod message;
mod position;
mod replay;
mod retry;
mod schedule;
mod settle;
mod stats;

pub use claim::{Claim, Claimed, Cursor, News};
pub use emit::{NewEvent, emit};
pub use position::Position;
pub use replay::{PublishedQuery, PublishedRow};
pub use retry::Parked;
pub use settle::Published;
pub use stats::Backlog;

use std::time::Duration;

use sqlx::PgPool;

/// Name of the publisher's lanes in the lease tables.
pub const ROLE: &str = "outbox";

/// Why an outbox operation failed. The chain names the statement's error.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// The database refused or was not there.
    #[error("the outbox could not {action}")]
    Database {
        /// What was being done, as a verb phrase.
        action: &'static str,
        /// The driver's error.
        #[source]
        source: sqlx::Error,
    },
    /// The database did not answer. Whether it did what it was asked for is not known; every
    /// operation of the outbox may be asked for again.
    #[error(
        "the outbox could not {action}: the database gave no answer within {within:?}, so whether it was done is not known; asking again is safe; look at the network and at the server's load"
    )]
    NoAnswer {
        /// What was being done, as a verb phrase.
        action: &'static str,
        /// How long was waited.
        within: Duration,
    },
}

/// What a broken connection gives: for failpoints.
#[cfg(debug_assertions)]
pub(crate) fn lost(action: &'static str) -> OutboxError {
    OutboxError::Database { action, source: sqlx::Error::Io(sea_mq_failpoint::lost_connection()) }
}

/// One context's outbox, as the publisher sees it (worker role).
#[derive(Clone, Debug)]
pub struct Outbox {
    pool: PgPool,
}

impl Outbox {
    /// The outbox in the database of `pool`.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }
}
