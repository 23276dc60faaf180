//! A worker as a process: settings, logs, metrics, signals and exit codes.

use std::error::Error;
use std::process::ExitCode;

use sea_mq_config::Settings;
use sea_mq_observe::{Metrics, init_logs};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{InProcess, run};

const CONFIGURATION: u8 = 64;

/// Why a program could not make its handlers.
pub type HandlersError = Box<dyn Error + Send + Sync>;

/// Runs a worker that calls its handlers over HTTP until it is told to stop (SIGTERM, SIGINT). It is configured by
/// environment variables and the file named by `CONFIG_FILE`. For `main`: the exit code says what went wrong.
#[must_use]
pub fn worker() -> ExitCode {
    start(async || Ok(None))
}

/// The same, for a program that has handlers of its own: subscriptions whose `HANDLER_URL` is `in-process` hand
/// their events to these. `make` runs within the worker's runtime, before anything else.
#[must_use]
pub fn worker_with(make: impl AsyncFnOnce() -> Result<InProcess, HandlersError>) -> ExitCode {
    start(async || make().await.map(Some))
}

fn start(make: impl AsyncFnOnce() -> Result<Option<InProcess>, HandlersError>) -> ExitCode {
    let settings = match Settings::load() {
        Ok(settings) => settings,
        Err(error) => return failed(CONFIGURATION, &error),
    };
    if let Err(error) = init_logs(settings.observe.log_format, settings.observe.log_filter.as_deref()) {
        return failed(CONFIGURATION, &error);
    }
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(async {
                match make().await {
                    Ok(handlers) => supervised(settings, handlers).await,
                    Err(error) => failed(CONFIGURATION, error.as_ref()),
                }
            });
            // What an in-process handler still computes is not waited for: it has committed nothing.
            runtime.shutdown_background();
            code
        }
        Err(error) => failed(1, &error),
    }
}

async fn supervised(settings: Settings, handlers: Option<InProcess>) -> ExitCode {
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
    match run(settings, metrics, handlers, stop).await {
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

/// On standard error: the log may not be there yet, or be read by nobody who waits for the process.
#[allow(clippy::print_stderr)]
fn failed(code: u8, error: &dyn Error) -> ExitCode {
    eprintln!("sea-mq-worker: {error}");
    let mut cause = error.source();
    while let Some(source) = cause {
        eprintln!("  because: {source}");
        cause = source.source();
    }
    ExitCode::from(code)
}
