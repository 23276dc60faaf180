//! The inbox in Postgres: record, start, settle, give up, take over.
//!
//! The state machine is drawn in the schema (`0003_inbox.sql`). Every operation is a single
//! statement. None ever waits for a row that a handler's transaction may hold: rows are taken with
//! `SKIP LOCKED`, and what was skipped is told to the caller, who tries again later. Each is answered
//! within 15 s ([`sea_mq_database::ANSWER_WITHIN`]) or fails with [`InboxError::NoAnswer`].

mod answer;
mod attempt;
mod lanes;
mod letter;
mod order;
mod record;
mod settle;
mod stats;
mod streams;

pub use attempt::Attempt;
pub use lanes::{AggregateKey, DuePlace, DueRow, OpenRow, OpenState, QueuedRow, Standing};
pub use letter::Letter;
pub use record::{Arrival, Ingest, Recorded, RecordedRow, Unusable};
pub use settle::{GivenUp, Processed, Retry, Settled};
pub use stats::{InboxCounts, WindowCount};
pub use streams::Incarnation;

use std::time::Duration;

use sqlx::PgPool;

/// The headers of a message: `(name, value)`, in the order in which they were handed over. Stored as a JSON
/// array of pairs.
pub type Headers = Vec<(String, String)>;

/// Why an inbox operation failed.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// The database refused or was not there.
    #[error("the inbox could not {action}")]
    Database {
        /// What was being done, as a verb phrase.
        action: &'static str,
        /// The driver's error.
        #[source]
        source: sqlx::Error,
    },
    /// The database did not answer. Whether it did, or still does, what it was asked for is not
    /// known; it is to be treated like an [`InboxError::Database`] that leaves that open.
    #[error(
        "the inbox could not {action}: the database gave no answer within {within:?}, so whether it was done is not known; look at the network and at the server's load"
    )]
    NoAnswer {
        /// What was being done, as a verb phrase.
        action: &'static str,
        /// How long was waited.
        within: Duration,
    },
}

impl InboxError {
    /// True when the database refuses the very data (encoding, size, constraint), so that trying
    /// the same rows again cannot succeed.
    #[must_use]
    pub fn refuses_data(&self) -> bool {
        match self {
            Self::Database { source, .. } => source
                .as_database_error()
                .and_then(sqlx::error::DatabaseError::code)
                // A message that is there already says that an earlier statement of unknown end
                // committed meanwhile.
                .is_some_and(|code| {
                    code != "23505" && matches!(&code[..2.min(code.len())], "22" | "23" | "54")
                }),
            // It said nothing, so nothing against the data either.
            Self::NoAnswer { .. } => false,
        }
    }
}

/// What a broken connection gives: for failpoints.
#[cfg(debug_assertions)]
pub(crate) fn lost(action: &'static str) -> InboxError {
    InboxError::Database { action, source: sqlx::Error::Io(sea_mq_failpoint::lost_connection()) }
}

/// One consumer's inbox (worker role). A consumer is a durable's name.
#[derive(Clone, Debug)]
pub struct Inbox {
    pool: PgPool,
    consumer: String,
    dispatch_role: String,
    ingest_role: String,
}

impl Inbox {
    /// The inbox of `consumer` in the database of `pool`.
    #[must_use]
    pub fn new(pool: PgPool, consumer: &str) -> Self {
        Self {
            pool,
            consumer: consumer.to_owned(),
            dispatch_role: format!("dispatch/{consumer}"),
            ingest_role: format!("ingest/{consumer}"),
        }
    }

    /// The durable's name.
    #[must_use]
    pub fn consumer(&self) -> &str {
        &self.consumer
    }

    /// Name of its dispatch lanes in the lease tables.
    #[must_use]
    pub fn dispatch_role(&self) -> &str {
        &self.dispatch_role
    }

    /// Name of its ingest lane (one) in the lease tables.
    #[must_use]
    pub fn ingest_role(&self) -> &str {
        &self.ingest_role
    }
}
