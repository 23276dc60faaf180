use clap::{Parser, Subcommand};

use crate::config::ConfigCommand;
use crate::contracts::ContractsCommand;
use crate::db::DbCommand;
use crate::dev::DevArgs;
use crate::inbox::InboxCommand;
use crate::outbox::OutboxCommand;
use crate::topology::TopologyCommand;

/// Runs and inspects sea-mq: events from one context's database to another's, none lost, none twice.
#[derive(Debug, Parser)]
#[command(name = "sea-mq", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// A context's database: make it, migrate it, look at it.
    #[command(subcommand)]
    Db(DbCommand),
    /// Streams and durable consumers: compare, make, check.
    #[command(subcommand)]
    Topology(TopologyCommand),
    /// Events that wait to be published: what the broker refused.
    #[command(subcommand)]
    Outbox(OutboxCommand),
    /// Events that were received: what the handler refused.
    #[command(subcommand)]
    Inbox(InboxCommand),
    /// What events are promised to look like: check, release, generate types.
    #[command(subcommand)]
    Contracts(ContractsCommand),
    /// Run a whole system on this machine: servers, contexts, programs, workers.
    Dev(DevArgs),
    /// The worker's settings, as this environment gives them.
    #[command(subcommand)]
    Config(ConfigCommand),
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 usage, 3 partly failed, 64 configuration, \
                          69 a server is unreachable, 77 not permitted.";
