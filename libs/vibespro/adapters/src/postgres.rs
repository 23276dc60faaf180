//! Users, vibes and receipts in the context's database.

mod event;
mod fault;
mod receipt;
mod row;
mod upkeep;
mod users;
mod vibes;

use std::str::FromStr;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::AdapterError;

/// How the store is reached.
#[derive(Clone, Debug)]
pub struct Options {
    /// Most connections open at a time.
    pub max_connections: u32,
    /// How long a call may wait for a free connection, the opening of one included.
    pub acquire_timeout: Duration,
    /// Shown in `pg_stat_activity`.
    pub application_name: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_connections: 16,
            acquire_timeout: Duration::from_secs(3),
            application_name: "vibespro".to_owned(),
        }
    }
}

/// VibesPro's store in Postgres, reached as the context's application role. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PostgresStore {
    pool: PgPool,
}

impl PostgresStore {
    /// A store that connects when it is first used, and again after every loss. Sets no session
    /// state, so that it works behind a transaction pooler.
    ///
    /// # Errors
    /// [`AdapterError::BadUrl`].
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn connect(url: &str, options: &Options) -> Result<Self, AdapterError> {
        let server = parse_url(url)?.application_name(&options.application_name);
        let pool = PgPoolOptions::new()
            .max_connections(options.max_connections)
            .acquire_timeout(options.acquire_timeout)
            // A ping before each statement would double the round trips; it is made when a
            // connection comes back.
            .test_before_acquire(false);
        Ok(Self { pool: pool.connect_lazy_with(server) })
    }

    /// Ends its connections once those in use come back.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

pub(crate) fn parse_url(url: &str) -> Result<PgConnectOptions, AdapterError> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        let problem = "it does not start with postgres://".to_owned();
        return Err(AdapterError::BadUrl { problem });
    }
    PgConnectOptions::from_str(url).map_err(|error| AdapterError::BadUrl { problem: error.to_string() })
}
