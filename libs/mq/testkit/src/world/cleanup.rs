//! Shared servers are left as they were found, also by a test that panics.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// The servers end with the process anyway.
const LIMIT: Duration = Duration::from_secs(10);

/// What a world has made on shared servers.
pub(super) struct Leftovers {
    pub(super) admin_url: String,
    pub(super) nats: Vec<String>,
    pub(super) databases: Vec<String>,
    pub(super) streams: Vec<String>,
}

/// Best effort, on a thread of its own that nobody waits for: the test's runtime may be on its way
/// out, and other tests that share it must not stand still meanwhile.
pub(super) fn remove(leftovers: Leftovers) {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        if let Ok(runtime) = runtime {
            // Whatever fails here only leaves rubbish behind until the process ends.
            let _ = runtime.block_on(async {
                tokio::time::timeout(LIMIT, async {
                    remove_streams(&leftovers).await;
                    remove_databases(&leftovers).await
                })
                .await
            });
        }
    });
}

async fn remove_databases(leftovers: &Leftovers) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(&leftovers.admin_url).await?;
    for database in &leftovers.databases {
        let sql = format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
    }
    connection.close().await
}

async fn remove_streams(leftovers: &Leftovers) {
    let Ok(client) = async_nats::connect(leftovers.nats.join(",")).await else { return };
    let jetstream = async_nats::jetstream::new(client);
    for stream in &leftovers.streams {
        let _ = jetstream.delete_stream(stream).await;
    }
}
