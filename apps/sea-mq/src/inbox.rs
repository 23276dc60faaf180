use clap::{Args, Subcommand};
use sea_mq_inbox::{Inbox, Standing};
use serde_json::json;
use uuid::Uuid;

use crate::failure::Failure;
use crate::outbox::WorkerDatabase;
use crate::output::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum InboxCommand {
    /// Let a dead-lettered event run once more; an aggregate that it holds goes on after it.
    Redrive(MessageArgs),
    /// Let the aggregate that a dead-lettered event holds go on without it.
    Discard(MessageArgs),
}

#[derive(Debug, Args)]
pub(crate) struct MessageArgs {
    #[command(flatten)]
    database: WorkerDatabase,
    /// The durable consumer that gave up, such as `sea__from_vibespro`.
    #[arg(long, value_name = "NAME")]
    consumer: String,
    /// The event's id.
    id: Uuid,
    /// Say what would be done and change nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(command: InboxCommand, output: &Output) -> Result<(), Failure> {
    match command {
        InboxCommand::Redrive(args) => redrive(&args, output).await,
        InboxCommand::Discard(args) => discard(&args, output).await,
    }
}

async fn redrive(args: &MessageArgs, output: &Output) -> Result<(), Failure> {
    let inbox = args.inbox().await?;
    let done = if args.dry_run {
        matches!(args.standing(&inbox).await?, Some(Standing::Dead | Standing::Holding))
    } else {
        inbox.redrive(args.id).await?
    };
    args.report(done, "runs once more", "it is not dead-lettered", output)
}

async fn discard(args: &MessageArgs, output: &Output) -> Result<(), Failure> {
    let inbox = args.inbox().await?;
    let done = if args.dry_run {
        args.standing(&inbox).await? == Some(Standing::Holding)
    } else {
        inbox.discard(args.id).await?
    };
    args.report(done, "holds its aggregate no longer", "it holds no aggregate", output)
}

impl MessageArgs {
    async fn inbox(&self) -> Result<Inbox, Failure> {
        Ok(Inbox::new(self.database.open().await?, &self.consumer))
    }

    async fn standing(&self, inbox: &Inbox) -> Result<Option<Standing>, Failure> {
        Ok(inbox.standing(&[self.id]).await?.first().map(|(_, standing)| *standing))
    }

    fn report(&self, done: bool, what: &str, why_not: &str, output: &Output) -> Result<(), Failure> {
        let (id, consumer) = (self.id, &self.consumer);
        if !done {
            return Err(Failure::failed(format!("event {id} of {consumer} is left as it is: {why_not}")));
        }
        let would = if self.dry_run { " (dry run: nothing changed)" } else { "" };
        let json = json!({ "id": id, "consumer": consumer, "dry_run": self.dry_run });
        output.print(&format!("event {id} of {consumer} {what}{would}"), &json)
    }
}
