//! `sea-mq-worker`: publishes one context's outbox and consumes what it subscribes to.

use std::process::ExitCode;

use clap::Parser;

/// Under load a third of the worker's time went into the system's allocator: messages are many small
/// pieces that one thread makes and another drops.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The worker of one context. It is configured by environment variables and the file named by
/// CONFIG_FILE; `sea-mq config show` prints what is in force.
#[derive(Parser)]
#[command(version)]
struct Arguments {}

fn main() -> ExitCode {
    let Arguments {} = Arguments::parse();
    sea_mq_worker_lib::worker()
}
