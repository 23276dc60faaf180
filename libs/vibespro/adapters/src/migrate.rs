//! VibesPro's own schema and its own history of it, apart from the substrate's.

use std::borrow::Cow;

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqlSafeStr};

use crate::AdapterError;
use crate::postgres::parse_url;

/// The history of VibesPro's own migrations.
pub(crate) const LEDGER: &str = "vibespro_migrations";

/// Version, name and text of each, oldest first. Released ones are never edited: their checksums are
/// compared before anything runs.
const EMBEDDED: &[(i64, &str, &str)] =
    &[(1, "users and vibes", include_str!("../migrations/0001_users_and_vibes.sql"))];

/// The version that this program needs.
pub(crate) fn newest() -> i64 {
    EMBEDDED.last().map_or(0, |(version, ..)| *version)
}

/// A migration that was run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedMigration {
    /// Its place in the order, from 1.
    pub version: i64,
    /// What it is about.
    pub name: &'static str,
}

/// What a migration did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrateReport {
    /// Applied now, oldest first.
    pub applied: Vec<AppliedMigration>,
    /// How many had been applied before.
    pub before: usize,
}

/// Brings VibesPro's tables up to what is embedded here, acting as the owner of schema `public`.
/// `migrator_url` is that of the context's migrator; the context must be provisioned. May be run
/// again and by several at once. Takes a session lock: the URL must not lead to a transaction pooler.
///
/// # Errors
/// [`AdapterError`]; a schema that is newer or altered is refused and left as it is.
pub async fn migrate(migrator_url: &str) -> Result<MigrateReport, AdapterError> {
    let server = parse_url(migrator_url)?.application_name("vibespro migrate");
    let opened = PgConnection::connect_with(&server).await;
    let mut connection =
        opened.map_err(|source| AdapterError::Connect { target: described(&server), source })?;
    let report = migrate_on(&mut connection).await;
    // Closing also gives back the lock, after a failure too.
    drop(connection.close().await);
    report
}

async fn migrate_on(connection: &mut PgConnection) -> Result<MigrateReport, AdapterError> {
    let owner = act_as_owner(connection).await?;
    connection.lock().await.map_err(failed)?;
    connection.ensure_migrations_table(LEDGER).await.map_err(failed)?;
    let before = connection.list_applied_migrations(LEDGER).await.map_err(failed)?;
    migrator().run(&mut *connection).await.map_err(failed)?;
    protect_ledger(connection, &owner).await?;
    let missing = EMBEDDED.iter().filter(|(version, ..)| before.iter().all(|row| row.version != *version));
    let applied = missing.map(|(version, name, _)| AppliedMigration { version: *version, name });
    Ok(MigrateReport { applied: applied.collect(), before: before.len() })
}

fn migrator() -> Migrator {
    let runnable = |(version, name, sql): &(i64, &'static str, &'static str)| {
        let sql = (*sql).into_sql_str();
        Migration::new(*version, Cow::Borrowed(*name), MigrationType::Simple, sql, false)
    };
    let mut migrator = Migrator::with_migrations(EMBEDDED.iter().map(runnable).collect());
    migrator.dangerous_set_table_name(LEDGER);
    // The lock is held around it.
    migrator.set_locking(false);
    migrator
}

/// What a migration makes belongs to the owner, whose default privileges let the application use it.
async fn act_as_owner(connection: &mut PgConnection) -> Result<String, AdapterError> {
    let owner: String =
        sqlx::query_scalar("SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'public'")
            .fetch_one(&mut *connection)
            .await
            .map_err(|source| AdapterError::Statement { doing: "read who owns schema public", source })?;
    if !owner.ends_with("_owner") || owner == "pg_database_owner" {
        return Err(AdapterError::NotProvisioned { owner });
    }
    // regrole quotes the name where it must be.
    let sql = format!("SET ROLE {owner}; SET search_path = public; SET lock_timeout = '30s'");
    run(connection, "act as the owner of schema public; migrate as the context's migrator", sql).await?;
    Ok(owner)
}

/// The application may read how far its schema is, and not say otherwise.
async fn protect_ledger(connection: &mut PgConnection, owner: &str) -> Result<(), AdapterError> {
    let app = owner.strip_suffix("_owner").unwrap_or(owner);
    let sql = format!("REVOKE ALL ON {LEDGER} FROM {app}_app; GRANT SELECT ON {LEDGER} TO {app}_app");
    run(connection, "protect the history of migrations", sql).await
}

async fn run(connection: &mut PgConnection, doing: &'static str, sql: String) -> Result<(), AdapterError> {
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await;
    done.map(|_| ()).map_err(|source| AdapterError::Statement { doing, source })
}

fn failed(source: MigrateError) -> AdapterError {
    AdapterError::Migration { source }
}

fn described(server: &PgConnectOptions) -> String {
    let (user, host, port) = (server.get_username(), server.get_host(), server.get_port());
    format!("{user}@{host}:{port}/{}", server.get_database().unwrap_or(user))
}

#[cfg(test)]
mod tests {
    use super::EMBEDDED;

    #[test]
    fn versions_rise_by_one_and_every_file_is_listed() {
        let versions: Vec<i64> = EMBEDDED.iter().map(|(version, ..)| *version).collect();
        assert_eq!(versions, (1..=EMBEDDED.len() as i64).collect::<Vec<_>>());
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"));
        assert_eq!(files.map(Iterator::count).ok(), Some(EMBEDDED.len()));
    }
}
