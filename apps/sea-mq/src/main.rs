//! `sea-mq`: the command line for operators and developers.
//!
//! Data goes to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 usage, 3 partly
//! failed, 64 configuration, 69 a server is unreachable, 77 not permitted.

mod broker;
mod chaos;
mod cli;
mod config;
mod conform;
mod context;
mod contracts;
mod db;
mod dev;
mod failure;
mod inbox;
mod outbox;
mod output;
mod replay;
mod topology;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::failure::Failure;
use crate::output::Output;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    init_logs();
    let output = Output::new(cli.json);
    match run(cli.command, &output).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

async fn run(command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Db(command) => db::run(command, output).await,
        Command::Topology(command) => topology::run(command, output).await,
        Command::Outbox(command) => outbox::run(command, output).await,
        Command::Inbox(command) => inbox::run(command, output).await,
        Command::Replay(args) => Box::pin(replay::run(*args, output)).await,
        Command::Contracts(command) => contracts::run(&command, output),
        Command::Dev(args) => dev::run(args).await,
        Command::Chaos(args) => chaos::run(args, output).await,
        Command::Conform(args) => conform::run(*args, output).await,
        Command::Config(command) => config::run(&command, output),
    }
}

/// Warnings of the libraries to stderr; `RUST_LOG` asks for more.
fn init_logs() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_unset| tracing_subscriber::EnvFilter::new("warn,sqlx=error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
}
