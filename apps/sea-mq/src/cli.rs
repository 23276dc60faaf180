use clap::{Parser, Subcommand};

use crate::chaos::ChaosArgs;
use crate::config::ConfigCommand;
use crate::conform::ConformArgs;
use crate::contracts::ContractsCommand;
use crate::db::DbCommand;
use crate::dev::DevArgs;
use crate::inbox::InboxCommand;
use crate::outbox::OutboxCommand;
use crate::replay::ReplayArgs;
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
    /// Publish again what a stream has lost: it was purged or recreated, or messages were deleted.
    ///
    /// Compares the outbox of the context with what its stream holds, and publishes each event that is
    /// missing there once more under its own id. Consumers that have it already drop it.
    Replay(Box<ReplayArgs>),
    /// What events are promised to look like: check, release, generate types.
    #[command(subcommand)]
    Contracts(ContractsCommand),
    /// Run a whole system on this machine: servers, contexts, programs, workers.
    Dev(DevArgs),
    /// Break a whole system on purpose, and judge what became of every event.
    Chaos(ChaosArgs),
    /// Check a handler service against the handler contract, rule by rule.
    Conform(Box<ConformArgs>),
    /// The worker's settings, as this environment gives them.
    #[command(subcommand)]
    Config(ConfigCommand),
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 usage, 3 partly failed, 64 configuration, \
                          69 a server is unreachable, 77 not permitted.";
