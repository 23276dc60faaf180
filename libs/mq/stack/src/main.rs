//! Brings up Postgres and NATS and stays until Ctrl-C or SIGTERM.
//!
//! `sea-mq-stack [--nodes 1|3] [--state FOLDER]`: without a folder the state is
//! temporary. Prints one `name value` line per address, then `ready`.
#![allow(clippy::print_stdout)]

use std::path::PathBuf;
use std::process::ExitCode;

use sea_mq_stack::{Binaries, NatsCluster, NatsOptions, Postgres, PostgresOptions, StackError, StateDir};
use tokio::signal::unix::{SignalKind, signal};

struct Arguments {
    nodes: usize,
    state: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!("sea-mq-stack: {problem}\nusage: sea-mq-stack [--nodes 1|3] [--state FOLDER]");
            return ExitCode::from(2);
        }
    };
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sea-mq-stack: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments { nodes: 1, state: None };
    while let Some(word) = words.next() {
        let value = words.next().ok_or(format!("{word} needs a value"))?;
        match word.as_str() {
            "--nodes" => {
                arguments.nodes = value.parse().map_err(|_| format!("{value}: no number"))?;
            }
            "--state" => arguments.state = Some(value.into()),
            other => return Err(format!("{other}: unknown")),
        }
    }
    Ok(arguments)
}

async fn run(arguments: Arguments) -> Result<(), StackError> {
    let binaries = Binaries::find()?;
    let state = match arguments.state {
        Some(path) => StateDir::kept(path)?,
        None => StateDir::temporary()?,
    };
    let mut postgres = Postgres::start(&binaries, &state, PostgresOptions::default()).await?;
    let mut nats = NatsCluster::start(&binaries, &state, NatsOptions::nodes(arguments.nodes)).await?;
    println!("state {}", state.path().display());
    println!("postgres {}", postgres.admin_url());
    println!("nats {}", nats.client_urls().join(","));
    println!("monitor {}", nats.monitor_urls().join(","));
    println!("ready");
    wait_for_signal().await?;
    nats.stop().await?;
    postgres.stop().await
}

async fn wait_for_signal() -> Result<(), StackError> {
    let setting = |error: std::io::Error| StackError::Setting(format!("no signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(setting)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(setting)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
