//! Brings a context's schema up to what is embedded here.

use std::time::Duration;

use sea_mq_event::ContextName;
use sqlx::migrate::{Migrate, MigrateError};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::connect::open;
use crate::identifiers::quoted;
use crate::migrations::{DEFAULT_MAX_PAYLOAD_BYTES, EmbeddedMigration};
use crate::schema::{LEDGER, SchemaStatus, schema_status};
use crate::target::parse_url;
use crate::walls::read_database;
use crate::{ContextNames, DatabaseError, Target};

/// How long a migration waits for another one, or for a table that is in use, before it gives up.
const LOCK_TIMEOUT: &str = "30s";
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// What to migrate.
#[derive(Clone, Debug)]
pub struct MigrateRequest {
    /// The context whose schema this is.
    pub context: ContextName,
    /// Largest payload of the outbox, bytes; `None` keeps what is set, at first
    /// [`DEFAULT_MAX_PAYLOAD_BYTES`].
    pub max_payload_bytes: Option<i32>,
    /// Say what would be applied, change nothing.
    pub dry_run: bool,
}

/// What a migration did, or would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrateReport {
    /// Applied now (or, on a dry run, pending), oldest first.
    pub applied: Vec<EmbeddedMigration>,
    /// How many had been applied before.
    pub before: usize,
}

/// Migrates the database at `url`, acting as the context's owner. Takes a session lock: the URL
/// must lead to the server itself, not to a transaction pooler.
///
/// # Errors
/// [`DatabaseError`]; a schema that is newer or altered is refused and left as it is.
pub async fn migrate(url: &str, request: &MigrateRequest) -> Result<MigrateReport, DatabaseError> {
    let server = parse_url(url)?.application_name("sea-mq db migrate");
    let (mut connection, target) = open(server, CONNECT_LIMIT).await?;
    let report = migrate_on(&mut connection, &target, request).await;
    // Closing also gives back the lock after a failure.
    drop(connection.close().await);
    report
}

/// Migrates over an open connection, which is left acting as the owner.
pub(crate) async fn migrate_on(
    connection: &mut PgConnection,
    target: &Target,
    request: &MigrateRequest,
) -> Result<MigrateReport, DatabaseError> {
    check_max_payload(request.max_payload_bytes)?;
    let names = ContextNames::of(&request.context);
    act_as_owner(connection, target, &names).await?;
    if request.dry_run {
        let status = checked_status(connection, target, &names).await?;
        return Ok(MigrateReport { before: status.applied.len(), applied: status.pending });
    }
    set_parameters(connection, target, request).await?;
    connection.lock().await.map_err(|error| failed("wait for another migration to end", target, error))?;
    let status = checked_status(connection, target, &names).await?;
    prepare_ledger(connection, target, &names).await?;
    for migration in &status.pending {
        apply(connection, target, migration).await?;
    }
    set_max_payload(connection, target, request.max_payload_bytes).await?;
    connection.unlock().await.map_err(|error| failed("give back the migration lock", target, error))?;
    Ok(MigrateReport { before: status.applied.len(), applied: status.pending })
}

/// Refuses a payload limit that cannot be meant.
pub(crate) fn check_max_payload(bytes: Option<i32>) -> Result<(), DatabaseError> {
    match bytes {
        Some(bytes) if bytes < 1024 => Err(DatabaseError::Request {
            what: format!("largest payload of {bytes} bytes"),
            problem: "use at least 1024: the broker's max_payload less 16384".to_owned(),
        }),
        Some(_) | None => Ok(()),
    }
}

async fn act_as_owner(
    connection: &mut PgConnection,
    target: &Target,
    names: &ContextNames,
) -> Result<(), DatabaseError> {
    let facts = read_database(connection)
        .await
        .map_err(|source| DatabaseError::of("read who owns schema public", target, source))?;
    if facts.schema_owner != names.owner {
        return Err(not_of_context(&facts.schema_owner, target, names));
    }
    let doing = format!("act as `{}`; migrate as `{}`", names.owner, names.migrator);
    run(connection, target, &doing, format!("SET ROLE {}", quoted(&names.owner))).await
}

/// Provisioning gives schema `public` to the context's owner: who else has it says what is wrong.
fn not_of_context(schema_owner: &str, target: &Target, names: &ContextNames) -> DatabaseError {
    let (target, asked) = (target.boxed(), names.context.to_string());
    match schema_owner.strip_suffix("_owner").filter(|found| ContextName::parse(found).is_ok()) {
        Some(found) if found != "pg_database" => {
            DatabaseError::WrongContext { target, asked, found: found.to_owned() }
        }
        Some(_) | None => DatabaseError::NotProvisioned {
            context: asked,
            target,
            detail: format!("its schema public belongs to `{schema_owner}`, not to `{}`", names.owner),
        },
    }
}

/// Reads the ledger and refuses a schema that this program does not know, or of another context.
async fn checked_status(
    connection: &mut PgConnection,
    target: &Target,
    names: &ContextNames,
) -> Result<SchemaStatus, DatabaseError> {
    let status = schema_status(connection)
        .await
        .map_err(|source| DatabaseError::of("read the table mq_migrations", target, source))?;
    status.refuse_unknown(target)?;
    match &status.context {
        Some(found) if found != names.context.as_str() => Err(DatabaseError::WrongContext {
            target: target.boxed(),
            asked: names.context.to_string(),
            found: found.clone(),
        }),
        Some(_) | None => Ok(status),
    }
}

/// The migrations read the context and the payload limit from these.
async fn set_parameters(
    connection: &mut PgConnection,
    target: &Target,
    request: &MigrateRequest,
) -> Result<(), DatabaseError> {
    let bytes = request.max_payload_bytes.unwrap_or(DEFAULT_MAX_PAYLOAD_BYTES);
    for (name, value) in [
        ("sea_mq.context", request.context.to_string()),
        ("sea_mq.max_payload_bytes", bytes.to_string()),
        ("search_path", "public".to_owned()),
        ("lock_timeout", LOCK_TIMEOUT.to_owned()),
    ] {
        sqlx::query("SELECT set_config($1, $2, false)")
            .bind(name)
            .bind(value)
            .execute(&mut *connection)
            .await
            .map_err(|source| DatabaseError::of(&format!("set {name}"), target, source))?;
    }
    Ok(())
}

/// Creates the ledger if need be. Everybody of the context may read it, nobody else may write.
async fn prepare_ledger(
    connection: &mut PgConnection,
    target: &Target,
    names: &ContextNames,
) -> Result<(), DatabaseError> {
    connection
        .ensure_migrations_table(LEDGER)
        .await
        .map_err(|e| failed("create mq_migrations", target, e))?;
    let (app, worker, migrator) = (quoted(&names.app), quoted(&names.worker), quoted(&names.migrator));
    let walls = format!(
        "BEGIN; REVOKE ALL ON {LEDGER} FROM PUBLIC, {app}, {worker}; \
         GRANT SELECT ON {LEDGER} TO {app}, {worker}, {migrator}; COMMIT"
    );
    run(connection, target, "protect mq_migrations", walls).await
}

async fn apply(
    connection: &mut PgConnection,
    target: &Target,
    migration: &EmbeddedMigration,
) -> Result<(), DatabaseError> {
    let (version, name) = (migration.version, migration.name);
    let took = connection.apply(LEDGER, &migration.runnable()).await.map_err(|error| {
        let (target, name) = (target.boxed(), name.to_owned());
        DatabaseError::MigrationFailed { target, version, name, source: driver_error(error) }
    })?;
    tracing::info!(version, name, took_ms = took.as_millis() as u64, "migration applied");
    Ok(())
}

async fn set_max_payload(
    connection: &mut PgConnection,
    target: &Target,
    bytes: Option<i32>,
) -> Result<(), DatabaseError> {
    let Some(bytes) = bytes else { return Ok(()) };
    sqlx::query("UPDATE public.mq_settings SET max_payload_bytes = $1 WHERE max_payload_bytes <> $1")
        .bind(bytes)
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(|source| DatabaseError::of("set the largest payload", target, source))
}

/// Runs one or several statements without parameters.
pub(crate) async fn run(
    connection: &mut PgConnection,
    target: &Target,
    doing: &str,
    sql: String,
) -> Result<(), DatabaseError> {
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(|source| DatabaseError::of(doing, target, source))
}

fn failed(doing: &str, target: &Target, error: MigrateError) -> DatabaseError {
    DatabaseError::of(doing, target, driver_error(error))
}

/// The driver's error inside; its own kinds about migrations cannot arise on this path.
fn driver_error(error: MigrateError) -> sqlx::Error {
    if let MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) = error {
        return source;
    }
    sqlx::Error::Migrate(Box::new(error))
}
