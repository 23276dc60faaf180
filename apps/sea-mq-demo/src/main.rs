//! `make demo`: both contexts on real servers, users who work over HTTP, decisions that flow back,
//! programs that are killed meanwhile, and a check of what the databases and streams say in the end.

mod api;
mod demo;
mod effects;
mod keep;
mod ledger;
mod recording;
mod screen;
mod story;
mod stranger;
mod users;
mod verdict;

use std::process::ExitCode;

use clap::Parser;
use sea_mq_stack::StateDir;
use tokio::signal::unix::{SignalKind, signal};

use crate::screen::Screen;

/// As shells report a program that Ctrl-C has ended.
const INTERRUPTED: u8 = 130;

/// Runs both contexts of `dev.toml` over a three-node NATS cluster, lets users work and programs die,
/// follows one event, and checks that every committed event was processed once or given up visibly.
#[derive(Debug, Parser)]
#[command(name = "sea-mq-demo", version)]
struct Arguments {
    /// Keep the logs of servers, workers and handlers in .state/demo-logs; after a failure they
    /// are kept anyway.
    #[arg(long)]
    keep: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let screen = Screen::new();
    let state = match StateDir::temporary() {
        Ok(state) => state,
        Err(error) => return failed(&error.into()),
    };
    // Whichever ends first: dropping the other ends every process that it started.
    let code = tokio::select! {
        ended = demo::run(&state, &screen) => judge(ended, &screen),
        _ = asked_to_stop() => {
            screen.say("stopped on request; ending everything");
            ExitCode::from(INTERRUPTED)
        }
    };
    if arguments.keep || code == ExitCode::FAILURE {
        match keep::keep_logs(&state) {
            Ok(folder) => screen.say(&format!("logs are in {}", folder.display())),
            Err(error) => return failed(&error),
        }
    }
    code
}

fn judge(ended: anyhow::Result<bool>, screen: &Screen) -> ExitCode {
    match ended {
        Ok(true) => {
            screen.say("done; everything is stopped and cleaned up");
            ExitCode::SUCCESS
        }
        Ok(false) => {
            screen.say("FAILED: see the broken promises above");
            ExitCode::FAILURE
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("sea-mq-demo: {error:#}");
    ExitCode::FAILURE
}

/// Ctrl-C or SIGTERM.
async fn asked_to_stop() -> std::io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
