//! SEA's own tables, apart from sea-mq's: own files, own ledger, the same owner.

use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool, Row as _};

use super::PostgresSea;
use super::fault::store_error;
use sea_ports::StoreError;

/// One at a time: the second one finds the first one's work done.
const LOCK: i64 = 0x5EA_0100;

const LEDGER: &str = "CREATE TABLE IF NOT EXISTS sea_migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   bytea NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)";

struct Migration {
    version: i32,
    name: &'static str,
    sql: &'static str,
}

/// Oldest first. Released ones are never edited: their checksum is compared before anything runs.
const EMBEDDED: &[Migration] = &[
    Migration { version: 1, name: "cases", sql: include_str!("../../migrations/0001_cases.sql") },
    Migration { version: 2, name: "policies", sql: include_str!("../../migrations/0002_policies.sql") },
    Migration { version: 3, name: "reactions", sql: include_str!("../../migrations/0003_reactions.sql") },
];

/// A migration that was applied now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedMigration {
    /// From 1.
    pub version: i32,
    /// What it is about.
    pub name: &'static str,
}

/// Why the tables were not brought up to date. What was applied before it stays.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The database refused, or cannot be reached.
    #[error("cannot {doing}")]
    Database {
        /// What was being done.
        doing: String,
        /// The database's answer.
        #[source]
        source: sqlx::Error,
    },
    /// Another program has made this schema, or this one's files were edited.
    #[error(
        "migration {version} is not the one of this program: deploy the program that fits, or restore the file"
    )]
    Foreign {
        /// The version that differs.
        version: i32,
    },
    /// The database is no context of sea-mq.
    #[error("the database has no outbox: run `sea-mq db provision --context sea` first")]
    NoOutbox,
}

/// How many migrations this program has: the version that its tables need.
#[must_use]
pub fn expected_migrations() -> i32 {
    EMBEDDED.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// Makes or updates SEA's tables; acts as the owner of schema `public`. `url` is the migrator's,
/// and leads to the server itself, not to a transaction pooler.
///
/// # Errors
/// [`MigrationError`]; a migration that fails leaves nothing of itself.
pub async fn migrate(url: &str) -> Result<Vec<AppliedMigration>, MigrationError> {
    let mut connection = PgConnection::connect(url).await.map_err(during("connect"))?;
    let applied = migrate_on(&mut connection).await;
    // Closing gives back the lock, also after a failure.
    drop(connection.close().await);
    applied
}

async fn migrate_on(connection: &mut PgConnection) -> Result<Vec<AppliedMigration>, MigrationError> {
    act_as_owner(connection).await?;
    sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(LOCK)
        .execute(&mut *connection)
        .await
        .map_err(during("wait for another migration to end"))?;
    run(connection, "make the table sea_migrations", LEDGER).await?;
    let done = ledger(connection).await?;
    let mut applied = Vec::new();
    for migration in EMBEDDED.iter().skip(done) {
        apply(connection, migration).await?;
        applied.push(AppliedMigration { version: migration.version, name: migration.name });
    }
    Ok(applied)
}

async fn act_as_owner(connection: &mut PgConnection) -> Result<(), MigrationError> {
    let row = sqlx::query(
        "SELECT quote_ident(pg_get_userbyid(nspowner)::text) AS owner, to_regclass('public.outbox_events') IS NOT NULL AS outbox
         FROM pg_namespace WHERE nspname = 'public'",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(during("read who owns schema public"))?;
    if !row.try_get("outbox").map_err(during("look for the outbox"))? {
        return Err(MigrationError::NoOutbox);
    }
    let owner: String = row.try_get("owner").map_err(during("read who owns schema public"))?;
    let role = format!("SET ROLE {owner}; SET search_path = public; SET lock_timeout = '30s'");
    run(connection, &format!("act as {owner}; migrate as the context's migrator"), &role).await
}

/// How many of this program's migrations are applied; refuses what it does not know.
async fn ledger(connection: &mut PgConnection) -> Result<usize, MigrationError> {
    let rows = sqlx::query("SELECT version, checksum FROM sea_migrations ORDER BY version")
        .fetch_all(connection)
        .await
        .map_err(during("read sea_migrations"))?;
    for (at, row) in rows.iter().enumerate() {
        let version: i32 = row.try_get("version").map_err(during("read sea_migrations"))?;
        let found: Vec<u8> = row.try_get("checksum").map_err(during("read sea_migrations"))?;
        let own = EMBEDDED.get(at).filter(|own| own.version == version && checksum(own) == found);
        if own.is_none() {
            return Err(MigrationError::Foreign { version });
        }
    }
    Ok(rows.len())
}

async fn apply(connection: &mut PgConnection, migration: &Migration) -> Result<(), MigrationError> {
    let doing = format!("apply migration {} ({})", migration.version, migration.name);
    let mut transaction = connection.begin().await.map_err(during(&doing))?;
    run(&mut transaction, &doing, migration.sql).await?;
    sqlx::query("INSERT INTO sea_migrations (version, name, checksum) VALUES ($1, $2, $3)")
        .bind(migration.version)
        .bind(migration.name)
        .bind(checksum(migration))
        .execute(&mut *transaction)
        .await
        .map_err(during(&doing))?;
    transaction.commit().await.map_err(during(&doing))?;
    tracing::info!(version = migration.version, name = migration.name, "migration applied");
    Ok(())
}

fn checksum(migration: &Migration) -> Vec<u8> {
    Sha256::digest(migration.sql.as_bytes()).to_vec()
}

async fn run(connection: &mut PgConnection, doing: &str, sql: &str) -> Result<(), MigrationError> {
    let ran = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await;
    ran.map(|_| ()).map_err(during(doing))
}

fn during(doing: &str) -> impl FnOnce(sqlx::Error) -> MigrationError + use<> {
    let doing = doing.to_owned();
    |source| MigrationError::Database { doing, source }
}

impl PostgresSea {
    /// The latest migration of SEA's tables that is applied; 0 without any.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn migrated(&self) -> Result<i32, StoreError> {
        latest(self.pool()).await.map_err(store_error)
    }
}

async fn latest(pool: &PgPool) -> Result<i32, sqlx::Error> {
    let version: Option<i32> =
        sqlx::query_scalar("SELECT max(version) FROM sea_migrations").fetch_one(pool).await?;
    Ok(version.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::EMBEDDED;

    #[test]
    fn versions_rise_by_one_and_every_file_is_listed() {
        let versions: Vec<i32> = EMBEDDED.iter().map(|migration| migration.version).collect();
        assert_eq!(versions, (1..=EMBEDDED.len() as i32).collect::<Vec<_>>());
        let files =
            std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).map(Iterator::count);
        assert_eq!(files.ok(), Some(EMBEDDED.len()));
    }
}
