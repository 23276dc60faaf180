//! One Postgres and one single-node NATS for all tests of a process.
//!
//! Each test makes its own database and its own streams in them. Statics are
//! never dropped: the servers end because the process ends.

use tokio::sync::OnceCell;

use crate::{Binaries, NatsCluster, NatsOptions, Postgres, PostgresOptions, StackError, StateDir};

/// The Postgres that the tests of this process share; started by the first
/// that asks. Without fsync: no test here outlives the machine.
///
/// # Errors
/// As [`Postgres::start`]; the next caller tries again.
pub async fn shared_postgres() -> Result<&'static Postgres, StackError> {
    static SHARED: OnceCell<Postgres> = OnceCell::const_new();
    SHARED
        .get_or_try_init(|| async {
            // Many tests with several workers each.
            let options =
                PostgresOptions { fsync: false, max_connections: 500, ..PostgresOptions::default() };
            Postgres::start(&Binaries::find()?, &StateDir::temporary()?, options).await
        })
        .await
}

/// The single NATS node that the tests of this process share, without users;
/// started by the first that asks.
///
/// # Errors
/// As [`NatsCluster::start`]; the next caller tries again.
pub async fn shared_nats() -> Result<&'static NatsCluster, StackError> {
    static SHARED: OnceCell<NatsCluster> = OnceCell::const_new();
    SHARED
        .get_or_try_init(|| async {
            let options = NatsOptions { sync_interval: "2m".into(), ..NatsOptions::nodes(1) };
            NatsCluster::start(&Binaries::find()?, &StateDir::temporary()?, options).await
        })
        .await
}
