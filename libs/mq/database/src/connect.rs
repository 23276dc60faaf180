use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool};

use crate::target::parse_url;
use crate::{DatabaseError, Target};

/// How a pool is opened. No session state is ever set on its connections, so that it works behind
/// a transaction pooler that supports prepared statements.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// Most connections open at a time.
    pub max_connections: u32,
    /// Shown in `pg_stat_activity`.
    pub application_name: String,
    /// How long opening the first connection, and waiting for a free one, may take.
    pub acquire_timeout: Duration,
    /// A connection that was idle for so long is closed.
    pub idle_timeout: Duration,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            max_connections: 8,
            application_name: "sea-mq".to_owned(),
            acquire_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(300),
        }
    }
}

/// Opens a pool after proving with one connection that the server lets this user in.
///
/// The pool alone would retry a refused connection until its timeout and then not say why.
///
/// # Errors
/// [`DatabaseError`] names server, user and database, and whether it was unreachable, TLS, log-in,
/// no such database or no permission.
pub async fn connect(url: &str, options: &ConnectOptions) -> Result<PgPool, DatabaseError> {
    let server = parse_url(url)?.application_name(&options.application_name);
    let (connection, _) = open(server.clone(), options.acquire_timeout).await?;
    // It has proved what it was for; how its closing goes changes nothing.
    drop(connection.close().await);
    Ok(pool_options(options).connect_lazy_with(server))
}

fn pool_options(options: &ConnectOptions) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(options.max_connections)
        .acquire_timeout(options.acquire_timeout)
        .idle_timeout(options.idle_timeout)
        // A ping per statement would double the round trips; callers retry a broken connection.
        .test_before_acquire(false)
}

/// Opens one connection, bounded in time.
pub(crate) async fn open(
    server: PgConnectOptions,
    limit: Duration,
) -> Result<(PgConnection, Target), DatabaseError> {
    let target = Target::of(&server);
    match tokio::time::timeout(limit, PgConnection::connect_with(&server)).await {
        Ok(Ok(connection)) => Ok((connection, target)),
        Ok(Err(source)) => Err(DatabaseError::connecting(&target, source)),
        Err(_elapsed) => Err(DatabaseError::Silent { target: target.boxed(), seconds: limit.as_secs_f32() }),
    }
}
