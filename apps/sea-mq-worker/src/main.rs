//! `sea-mq-worker`: publishes one context's outbox and consumes what it subscribes to.

use std::process::ExitCode;

use clap::Parser;
use sea_mq_config::Settings;
use sea_mq_observe::{Metrics, init_logs};
use sea_mq_worker_lib::run;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Under load a third of the worker's time went into the system's allocator: messages are many small
/// pieces that one thread makes and another drops.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The worker of one context. It is configured by environment variables and the file named by
/// CONFIG_FILE; `sea-mq config show` prints what is in force.
#[derive(Parser)]
#[command(version)]
struct Arguments {}

const CONFIGURATION: u8 = 64;

fn main() -> ExitCode {
    let Arguments {} = Arguments::parse();
    let settings = match Settings::load() {
        Ok(settings) => settings,
        Err(error) => return failed(CONFIGURATION, &error),
    };
    if let Err(error) = init_logs(settings.observe.log_format, settings.observe.log_filter.as_deref()) {
        return failed(CONFIGURATION, &error);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(1, &error),
    };
    runtime.block_on(worker(settings))
}

async fn worker(settings: Settings) -> ExitCode {
    if settings.observe.otlp_endpoint.is_some() {
        tracing::warn!(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set: this version passes traceparent on, and exports no spans"
        );
    }
    let metrics = match Metrics::install(&settings.context) {
        Ok(metrics) => metrics,
        Err(error) => return failed(1, &error),
    };
    let stop = CancellationToken::new();
    if let Err(error) = stop_on_signals(&stop) {
        return failed(1, &error);
    }
    match run(settings, metrics, stop).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(error.exit_code(), &error),
    }
}

/// The first SIGTERM or SIGINT drains, the second ends the process at once.
fn stop_on_signals(stop: &CancellationToken) -> std::io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if stop.is_cancelled() {
                std::process::exit(1);
            }
            stop.cancel();
        }
    });
    Ok(())
}

fn failed(code: u8, error: &dyn std::error::Error) -> ExitCode {
    eprintln!("sea-mq-worker: {error}");
    let mut cause = error.source();
    while let Some(source) = cause {
        eprintln!("  because: {source}");
        cause = source.source();
    }
    ExitCode::from(code)
}
