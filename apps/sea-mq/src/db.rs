use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use sea_mq_database::{
    EmbeddedMigration, MigrateRequest, Password, ProvisionRequest, Provisioned, SchemaStatus, Target,
    migrate, plan_provision, provision, read_schema_status,
};
use sea_mq_event::ContextName;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use crate::failure::Failure;
use crate::output::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum DbCommand {
    /// Make a context's database, roles, walls and schema; may be run again.
    ///
    /// Closes every database of the server to PUBLIC, so that no context's role can enter another's.
    Provision(ProvisionArgs),
    /// Bring a context's schema up to this program's, acting as the context's owner.
    Migrate(MigrateArgs),
    /// Say where a context's schema stands; exit code 1 when it is not current.
    Status(StatusArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ProvisionArgs {
    /// The context, such as `sea`.
    #[arg(long, value_name = "NAME", value_parser = crate::context::parse)]
    context: ContextName,
    /// A superuser, or a role with CREATEROLE and CREATEDB.
    #[arg(long, value_name = "URL", env = "SEA_MQ_ADMIN_URL", hide_env_values = true)]
    admin_url: String,
    /// File with the password of NAME_app.
    #[arg(long, value_name = "FILE")]
    app_password_file: PathBuf,
    /// File with the password of NAME_worker.
    #[arg(long, value_name = "FILE")]
    worker_password_file: PathBuf,
    /// File with the password of NAME_migrator; without it that role gets no log-in.
    #[arg(long, value_name = "FILE")]
    migrator_password_file: Option<PathBuf>,
    /// Largest event payload: the broker's max_payload less 16384 [default: as before, at first 1032192].
    #[arg(long, value_name = "BYTES")]
    max_payload: Option<i32>,
    /// Print the SQL, passwords masked, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    /// The context, such as `sea`.
    #[arg(long, value_name = "NAME", value_parser = crate::context::parse)]
    context: ContextName,
    /// The context's database as NAME_migrator; straight to the server, not through a pooler.
    #[arg(long, value_name = "URL", env = "SEA_MQ_MIGRATOR_URL", hide_env_values = true)]
    url: String,
    /// Print the SQL of what is pending and change nothing.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// The context, such as `sea`.
    #[arg(long, value_name = "NAME", value_parser = crate::context::parse)]
    context: ContextName,
    /// The context's database as any of its roles.
    #[arg(long, value_name = "URL", env = "DB_URL", hide_env_values = true)]
    url: String,
}

pub(crate) async fn run(command: DbCommand, output: &Output) -> Result<(), Failure> {
    match command {
        DbCommand::Provision(args) => run_provision(args, output).await,
        DbCommand::Migrate(args) => run_migrate(args, output).await,
        DbCommand::Status(args) => run_status(args, output).await,
    }
}

async fn run_provision(args: ProvisionArgs, output: &Output) -> Result<(), Failure> {
    let request = ProvisionRequest {
        context: args.context,
        app_password: read_password(&args.app_password_file)?,
        worker_password: read_password(&args.worker_password_file)?,
        migrator_password: args.migrator_password_file.as_deref().map(read_password).transpose()?,
        max_payload_bytes: args.max_payload,
    };
    if args.dry_run {
        let statements = plan_provision(&args.admin_url, &request).await?;
        return output.print(&statements.join("\n"), &json!({ "dry_run": true, "statements": statements }));
    }
    let done = provision(&args.admin_url, &request).await?;
    output.print(&provisioned_text(&done), &provisioned_json(&done))
}

fn read_password(file: &Path) -> Result<Password, Failure> {
    let shown = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::configuration(format!("password file {shown} cannot be read: {error}")))?;
    Ok(Password::new(&format!("password file {shown}"), &text)?)
}

fn provisioned_text(done: &Provisioned) -> String {
    let names = &done.names;
    let made = if done.created { "created" } else { "was there" };
    format!(
        "context     {}\ndatabase    {} at {}:{} ({made})\nroles       {}\nmigrations  {}",
        names.context,
        names.database,
        done.target.host,
        done.target.port,
        names.roles().join(", "),
        counted(&done.migrations.applied, done.migrations.before),
    )
}

fn counted(applied: &[EmbeddedMigration], before: usize) -> String {
    format!("{} applied, {before} before", applied.len())
}

fn provisioned_json(done: &Provisioned) -> Value {
    let names = &done.names;
    json!({
        "context": names.context.as_str(),
        "database": names.database,
        "host": done.target.host,
        "port": done.target.port,
        "created": done.created,
        "roles": { "owner": names.owner, "migrator": names.migrator, "app": names.app, "worker": names.worker },
        "migrations": { "applied": listed(&done.migrations.applied), "before": done.migrations.before },
    })
}

fn listed(migrations: &[EmbeddedMigration]) -> Vec<Value> {
    migrations.iter().map(|m| json!({ "version": m.version, "name": m.name })).collect()
}

async fn run_migrate(args: MigrateArgs, output: &Output) -> Result<(), Failure> {
    let dry_run = args.dry_run;
    let request = MigrateRequest { context: args.context, max_payload_bytes: None, dry_run };
    let report = migrate(&args.url, &request).await?;
    let json = json!({ "dry_run": dry_run, "applied": listed(&report.applied), "before": report.before });
    if dry_run {
        let sql = |m: &EmbeddedMigration| format!("-- migration {} ({})\n{}", m.version, m.name, m.sql);
        let pending: Vec<String> = report.applied.iter().map(sql).collect();
        let text = if pending.is_empty() { "-- nothing is pending".to_owned() } else { pending.join("\n") };
        return output.print(&text, &json);
    }
    let mut text: Vec<String> =
        report.applied.iter().map(|m| format!("applied  {} {}", m.version, m.name)).collect();
    text.push(counted(&report.applied, report.before));
    output.print(&text.join("\n"), &json)
}

async fn run_status(args: StatusArgs, output: &Output) -> Result<(), Failure> {
    let (target, status) = read_schema_status(&args.url, &args.context).await?;
    output.print(&status_text(&target, &status), &status_json(&target, &status))?;
    if status.is_current() { Ok(()) } else { Err(Failure::found()) }
}

fn status_text(target: &Target, status: &SchemaStatus) -> String {
    let mut lines = vec![format!("{target}: {}", verdict(status))];
    if let Some(bytes) = status.max_payload_bytes {
        lines.push(format!("largest payload {bytes} bytes"));
    }
    for applied in &status.applied {
        let state = if status.newer.contains(&applied.version) {
            "unknown"
        } else if status.changed.iter().any(|m| m.version == applied.version) {
            "changed"
        } else {
            "applied"
        };
        let at = applied.applied_at.format(&Rfc3339).unwrap_or_default();
        lines.push(format!("{state:8} {:>4}  {}  {at}", applied.version, applied.name));
    }
    lines.extend(status.pending.iter().map(|m| format!("pending  {:>4}  {}", m.version, m.name)));
    lines.join("\n")
}

fn verdict(status: &SchemaStatus) -> &'static str {
    if !status.newer.is_empty() {
        "the schema is newer than this program; use the newer sea-mq"
    } else if !status.changed.is_empty() {
        "migrations were applied with another text than this program holds"
    } else if !status.pending.is_empty() {
        "migrations are pending; run `sea-mq db migrate`"
    } else {
        "the schema is current"
    }
}

fn status_json(target: &Target, status: &SchemaStatus) -> Value {
    let applied: Vec<Value> = status
        .applied
        .iter()
        .map(|m| json!({ "version": m.version, "name": m.name, "applied_at": m.applied_at.format(&Rfc3339).ok() }))
        .collect();
    json!({
        "target": target.to_string(),
        "context": status.context,
        "max_payload_bytes": status.max_payload_bytes,
        "current": status.is_current(),
        "applied": applied,
        "pending": listed(&status.pending),
        "changed": listed(&status.changed),
        "newer": status.newer,
    })
}
