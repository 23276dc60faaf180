//! Connections lent from the pool, and never given back in the middle of something.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Connection, PgConnection, PgPool, PgTransaction, Postgres};
use tokio::time::timeout;

use crate::answer::{Fault, is_unreachable, sqlstate};

/// How long a connection is waited for, new or free, and to be heard on it: well before the worker gives the call up.
const WAIT: Duration = Duration::from_secs(5);

/// One round trip. A statement gives up before the worker gives the call up (30 s); the mark is gone with the
/// transaction, so that it is known at the end whether it is still the one that was begun.
const BEGIN: &str = "BEGIN; SET LOCAL statement_timeout = 20000; SET LOCAL sea_mq.transaction = 'open'";

/// A connection of the pool. Unless it was said to be clean it is closed afterwards: whoever gives up in the middle
/// of BEGIN would leave a transaction open that nobody knows of.
pub(crate) struct Lent {
    connection: PoolConnection<Postgres>,
    clean: bool,
}

impl Lent {
    pub(crate) async fn from(pool: &PgPool) -> Result<Self, Fault> {
        let acquired = timeout(WAIT, pool.acquire()).await;
        match acquired {
            Ok(Ok(connection)) => Ok(Self { connection, clean: true }),
            Ok(Err(error)) if is_unreachable(&error) => {
                tracing::warn!(error = unreachable_kind(&error), "no connection to the database");
                Err(Fault::NoConnection)
            }
            // It answers, and does not let us in.
            Ok(Err(error)) => Err(Fault::Database(error)),
            Err(_) => Err(Fault::NoConnection),
        }
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.clean
    }

    /// To be said when no transaction and no statement is open on it any more.
    pub(crate) fn set_clean(&mut self) {
        self.clean = true;
    }

    pub(crate) async fn begin(&mut self) -> Result<PgTransaction<'_>, Fault> {
        self.clean = false;
        let connection: &mut PgConnection = &mut self.connection;
        match timeout(WAIT, connection.begin_with(BEGIN)).await {
            Ok(begun) => begun.map_err(Fault::Database),
            Err(_) => Err(Fault::NoConnection),
        }
    }

    /// For statements without a transaction.
    pub(crate) fn bare(&mut self) -> &mut PgConnection {
        self.clean = false;
        &mut self.connection
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.clean {
            self.connection.close_on_drop();
        }
    }
}

/// Without addresses and names, which the error's own text may hold.
fn unreachable_kind(error: &sqlx::Error) -> String {
    if let sqlx::Error::Io(error) = error {
        return error.kind().to_string();
    }
    sqlstate(error).unwrap_or_else(|| "none is free, or none can be made".to_owned())
}
