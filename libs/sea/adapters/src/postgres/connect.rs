use std::str::FromStr as _;
use std::time::Duration;

use sea_ports::StoreError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, Postgres, Transaction};

use super::PostgresSea;
use super::fault::unexpected;
use crate::postgres::fault::store_error;

/// Both bound how long a request waits for others, or for the server.
const IN_TRANSACTION: &str = "BEGIN; SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '15s'";

/// How the pool is opened.
#[derive(Clone, Debug)]
pub struct PoolOptions {
    /// Most connections at a time.
    pub max_connections: u32,
    /// How long a request waits for a free one.
    pub acquire_timeout: Duration,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self { max_connections: 16, acquire_timeout: Duration::from_secs(3) }
    }
}

/// A pool for `url` that connects when it is first needed: the server may come up later.
///
/// # Errors
/// [`StoreError::Unexpected`], when the URL cannot be understood; it never shows the URL.
pub fn connect(url: &str, options: &PoolOptions) -> Result<PgPool, StoreError> {
    let server = PgConnectOptions::from_str(url).map_err(|_may_hold_the_password| {
        unexpected("the database URL is not postgres://user:password@host/db")
    })?;
    let pool = PgPoolOptions::new()
        .max_connections(options.max_connections)
        .acquire_timeout(options.acquire_timeout)
        // A ping before each use would double the round trips.
        .test_before_acquire(false);
    Ok(pool.connect_lazy_with(server.application_name("sea-api")))
}

impl PostgresSea {
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        self.pool.begin_with(IN_TRANSACTION).await.map_err(store_error)
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }
}
