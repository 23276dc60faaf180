use clap::{Args, Subcommand};
use sea_mq_database::{ConnectOptions, connect};
use sea_mq_outbox::{Outbox, Parked};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::failure::Failure;
use crate::output::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum OutboxCommand {
    /// List the events that the broker refused for good, and how many each holds back.
    Parked(ParkedArgs),
    /// Put a parked event, and those held behind it, back in line.
    Retry(RetryArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ParkedArgs {
    #[command(flatten)]
    database: WorkerDatabase,
    /// List at most this many, the oldest first.
    #[arg(long, default_value_t = 100)]
    limit: i64,
}

#[derive(Debug, Args)]
pub(crate) struct RetryArgs {
    #[command(flatten)]
    database: WorkerDatabase,
    /// The event's id.
    id: Uuid,
    /// Say what would be put back in line and change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// The context's database, as its worker sees it.
#[derive(Debug, Args)]
pub(crate) struct WorkerDatabase {
    /// The context's database as `NAME_worker`.
    #[arg(long, alias = "db-url", value_name = "URL", env = "DB_URL", hide_env_values = true)]
    url: String,
}

impl WorkerDatabase {
    pub(crate) async fn open(&self) -> Result<sqlx::PgPool, Failure> {
        let options = ConnectOptions { max_connections: 1, ..ConnectOptions::default() };
        Ok(connect(&self.url, &options).await?)
    }
}

pub(crate) async fn run(command: OutboxCommand, output: &Output) -> Result<(), Failure> {
    match command {
        OutboxCommand::Parked(args) => parked(&args, output).await,
        OutboxCommand::Retry(args) => retry(&args, output).await,
    }
}

async fn parked(args: &ParkedArgs, output: &Output) -> Result<(), Failure> {
    let rows = Outbox::new(args.database.open().await?).parked(args.limit).await?;
    let text = if rows.is_empty() {
        "nothing is parked".to_owned()
    } else {
        rows.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    output.print(&text, &Value::Array(rows.iter().map(as_json).collect()))
}

async fn retry(args: &RetryArgs, output: &Output) -> Result<(), Failure> {
    let outbox = Outbox::new(args.database.open().await?);
    let rows = if args.dry_run {
        let found = outbox.parked(i64::MAX).await?.into_iter().find(|row| row.id == args.id);
        found.map_or(0, |row| 1 + row.holds_back.unsigned_abs())
    } else {
        outbox.retry(args.id).await?
    };
    if rows == 0 {
        return Err(Failure::failed(format!("event {} is not parked; see `sea-mq outbox parked`", args.id)));
    }
    let done = if args.dry_run { "would be put" } else { "put" };
    let text = format!("{done} back in line: event {} and {} held behind it", args.id, rows - 1);
    output.print(&text, &json!({ "id": args.id, "rows": rows, "dry_run": args.dry_run }))
}

fn line(row: &Parked) -> String {
    let aggregate = row.aggregate.as_deref().unwrap_or("(unordered)");
    let at = row.recorded_at.format(&Rfc3339).unwrap_or_default();
    let (id, subject, error, behind) = (row.id, &row.subject, &row.error, row.holds_back);
    format!("{id}  {subject}  {aggregate}  recorded {at}  holds back {behind}\n    {error}")
}

fn as_json(row: &Parked) -> Value {
    json!({
        "id": row.id, "subject": row.subject, "aggregate": row.aggregate, "error": row.error,
        "recorded_at": row.recorded_at.format(&Rfc3339).unwrap_or_default(), "holds_back": row.holds_back,
    })
}
