//! Makes a context's database, roles, walls and schema; may be run again at any time.

use std::fmt;
use std::time::Duration;

use sea_mq_event::ContextName;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection, PgConnection};

use crate::connect::open;
use crate::migrate::{MigrateReport, MigrateRequest, check_max_payload, migrate_on};
use crate::target::parse_url;
use crate::walls::{Step, database_steps, read_database, read_server, refuse, server_steps};
use crate::{ContextNames, DatabaseError, Password, Target};

/// One provisioning at a time per server: two would change the same catalogue rows.
const PROVISION_LOCK: i64 = 0x5EA_0001;
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const LOCK_TIMEOUT: &str = "60s";

/// What to provision.
#[derive(Clone, Debug)]
pub struct ProvisionRequest {
    /// The context.
    pub context: ContextName,
    /// Password of `{context}_app`.
    pub app_password: Password,
    /// Password of `{context}_worker`.
    pub worker_password: Password,
    /// Password of `{context}_migrator`; without one it cannot log in, unless it could before.
    pub migrator_password: Option<Password>,
    /// Largest payload of the outbox, bytes: the broker's limit less 16 KiB. `None` keeps what is
    /// set, at first [`DEFAULT_MAX_PAYLOAD_BYTES`](crate::DEFAULT_MAX_PAYLOAD_BYTES).
    pub max_payload_bytes: Option<i32>,
}

impl ProvisionRequest {
    /// A request without a log-in for the migrator and with the default payload limit.
    #[must_use]
    pub fn new(context: ContextName, app_password: Password, worker_password: Password) -> Self {
        Self { context, app_password, worker_password, migrator_password: None, max_payload_bytes: None }
    }
}

/// What there is after provisioning.
#[derive(Clone, Debug)]
pub struct Provisioned {
    /// Names of database and roles.
    pub names: ContextNames,
    /// The server, as the admin reached it.
    pub target: Target,
    /// True when the database did not exist before.
    pub created: bool,
    /// What the schema migration did.
    pub migrations: MigrateReport,
    /// How the context's roles connect.
    pub urls: ContextUrls,
}

/// The URLs of a context's roles, with their passwords. `Debug` shows none of them.
#[derive(Clone, PartialEq, Eq)]
pub struct ContextUrls {
    /// As `{context}_app`.
    pub app: String,
    /// As `{context}_worker`.
    pub worker: String,
    /// As `{context}_migrator`, when it was given a password.
    pub migrator: Option<String>,
}

impl fmt::Debug for ContextUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContextUrls(***)")
    }
}

/// Provisions a context. Everything that makes it impossible is found before the first change;
/// a run that breaks off half-way is completed by the next.
///
/// Closes every database of the server to PUBLIC, also those of nobody's context.
///
/// # Errors
/// [`DatabaseError`]; [`NotPermitted`](DatabaseError::NotPermitted) names the missing right and
/// the statement that grants it.
pub async fn provision(admin_url: &str, request: &ProvisionRequest) -> Result<Provisioned, DatabaseError> {
    check_max_payload(request.max_payload_bytes)?;
    let admin = admin_options(admin_url)?;
    let (mut connection, target) = open(admin.clone(), CONNECT_LIMIT).await?;
    let done = provision_over(&mut connection, &target, &admin, request).await;
    // Closing gives back the lock, also after a failure.
    drop(connection.close().await);
    done
}

/// The statements that [`provision`] would run now, passwords masked, one per entry. Changes nothing.
///
/// # Errors
/// As [`provision`].
pub async fn plan_provision(
    admin_url: &str,
    request: &ProvisionRequest,
) -> Result<Vec<String>, DatabaseError> {
    check_max_payload(request.max_payload_bytes)?;
    let admin = admin_options(admin_url)?;
    let names = ContextNames::of(&request.context);
    let (mut connection, target) = open(admin.clone(), CONNECT_LIMIT).await?;
    let facts = read_server(&mut connection, &names).await.map_err(|e| reading(&target, e))?;
    refuse(&facts, &names, &target)?;
    let mut lines = vec![format!("-- in database {}", target.database)];
    lines.extend(server_steps(&facts, &names, request).into_iter().map(|step| step.shown + ";"));
    lines.push(format!("-- in database {}, in one transaction", names.database));
    let readable = facts.database.as_ref().is_some_and(|found| found.allows_connections);
    lines.extend(plan_database(&admin, &names, request, readable).await?);
    Ok(lines)
}

async fn plan_database(
    admin: &PgConnectOptions,
    names: &ContextNames,
    request: &ProvisionRequest,
    readable: bool,
) -> Result<Vec<String>, DatabaseError> {
    let shown = |steps: Vec<Step>| steps.into_iter().map(|step| step.shown + ";").collect::<Vec<_>>();
    if !readable {
        let mut lines = shown(database_steps(None, names));
        lines.extend(crate::embedded_migrations().iter().map(migration_line));
        return Ok(lines);
    }
    let (mut connection, target) = open(admin.clone().database(&names.database), CONNECT_LIMIT).await?;
    let facts = read_database(&mut connection).await.map_err(|e| reading(&target, e))?;
    let mut lines = shown(database_steps(Some(&facts), names));
    if facts.schema_owner != names.owner {
        lines.extend(crate::embedded_migrations().iter().map(migration_line));
        return Ok(lines);
    }
    let report = migrate_on(&mut connection, &target, &migrate_request(request, true)).await?;
    lines.extend(report.applied.iter().map(migration_line));
    Ok(lines)
}

fn migration_line(migration: &crate::EmbeddedMigration) -> String {
    format!("-- migration {} ({}), as the owner", migration.version, migration.name)
}

async fn provision_over(
    connection: &mut PgConnection,
    target: &Target,
    admin: &PgConnectOptions,
    request: &ProvisionRequest,
) -> Result<Provisioned, DatabaseError> {
    let names = ContextNames::of(&request.context);
    lock(connection, target).await?;
    let facts = read_server(connection, &names).await.map_err(|e| reading(target, e))?;
    refuse(&facts, &names, target)?;
    for step in server_steps(&facts, &names, request) {
        execute(connection, target, &step).await?;
    }
    let migrations = provision_database(admin, &names, request).await?;
    Ok(Provisioned {
        urls: urls(admin, &names, request),
        target: target.clone(),
        created: facts.database.is_none(),
        migrations,
        names,
    })
}

async fn provision_database(
    admin: &PgConnectOptions,
    names: &ContextNames,
    request: &ProvisionRequest,
) -> Result<MigrateReport, DatabaseError> {
    let (mut connection, target) = open(admin.clone().database(&names.database), CONNECT_LIMIT).await?;
    let facts = read_database(&mut connection).await.map_err(|e| reading(&target, e))?;
    let doing = format!("build the walls of `{}`", names.database);
    let failed = |source| DatabaseError::of(&doing, &target, source);
    let mut transaction = connection.begin().await.map_err(failed)?;
    for step in database_steps(Some(&facts), names) {
        execute(&mut transaction, &target, &step).await?;
    }
    transaction.commit().await.map_err(failed)?;
    let report = migrate_on(&mut connection, &target, &migrate_request(request, false)).await;
    drop(connection.close().await);
    report
}

fn migrate_request(request: &ProvisionRequest, dry_run: bool) -> MigrateRequest {
    MigrateRequest { context: request.context.clone(), max_payload_bytes: request.max_payload_bytes, dry_run }
}

async fn lock(connection: &mut PgConnection, target: &Target) -> Result<(), DatabaseError> {
    let doing = "wait for another provisioning of this server to end";
    crate::migrate::run(connection, target, doing, format!("SET lock_timeout = '{LOCK_TIMEOUT}'")).await?;
    sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(PROVISION_LOCK)
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(|source| DatabaseError::of(doing, target, source))
}

async fn execute(connection: &mut PgConnection, target: &Target, step: &Step) -> Result<(), DatabaseError> {
    tracing::debug!(sql = step.shown, "provisioning");
    match sqlx::raw_sql(AssertSqlSafe(step.sql.clone())).execute(connection).await {
        Ok(_) => Ok(()),
        // A database that was open a moment ago is gone: it needs no wall any more.
        Err(error) if step.sql.starts_with("REVOKE CONNECT") && is_missing_database(&error) => Ok(()),
        Err(source) => Err(DatabaseError::of(&format!("run `{}`", step.shown), target, source)),
    }
}

fn is_missing_database(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|e| e.code()).is_some_and(|code| code == "3D000")
}

fn reading(target: &Target, source: sqlx::Error) -> DatabaseError {
    DatabaseError::of("read what the server holds", target, source)
}

fn admin_options(admin_url: &str) -> Result<PgConnectOptions, DatabaseError> {
    Ok(parse_url(admin_url)?.application_name("sea-mq db provision"))
}

/// The admin's URL with each role's name, password and the context's database in place.
fn urls(admin: &PgConnectOptions, names: &ContextNames, request: &ProvisionRequest) -> ContextUrls {
    let url = |role: &str, password: &Password| {
        let options = admin.clone().username(role).password(password.reveal()).database(&names.database);
        options.to_url_lossy().to_string()
    };
    ContextUrls {
        app: url(&names.app, &request.app_password),
        worker: url(&names.worker, &request.worker_password),
        migrator: request.migrator_password.as_ref().map(|password| url(&names.migrator, password)),
    }
}
