//! `vibespro-api`: VibesPro over HTTP and Postgres.
//!
//! Environment: `DB_URL`, the context's database as its application role (required); `LISTEN`, address
//! and port (default 127.0.0.1:8002); `DB_POOL`, most connections (default 16); `LOG_FORMAT`, `human`
//! (default) or `json`, one object a line. SIGTERM and SIGINT finish what is in hand and exit 0.
//! `vibespro-api --version` says which version this is.
//!
//! Exit codes: 1 failed, 2 usage, 64 configuration.

mod log;
mod settings;
mod stop;
mod upkeep;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use vibespro_public_api::{AdapterError, InProcess};

use crate::settings::Settings;

const USAGE: u8 = 2;
const CONFIGURATION: u8 = 64;

#[tokio::main]
async fn main() -> ExitCode {
    if let Err(problem) = log::init() {
        tracing::error!(problem, "cannot start");
        return ExitCode::from(CONFIGURATION);
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => serve().await,
        ["--version" | "-V"] => ended(say_version()),
        _other => {
            tracing::error!("usage: vibespro-api, or vibespro-api --version");
            ExitCode::from(USAGE)
        }
    }
}

async fn serve() -> ExitCode {
    match Settings::from_env() {
        Ok(settings) => ended(run(settings).await),
        Err(problem) => {
            tracing::error!(problem, "cannot start");
            ExitCode::from(CONFIGURATION)
        }
    }
}

fn ended(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    tracing::error!(error = format!("{error:#}"), "stopped");
    // A URL that cannot be used is the only thing of the database that is known before the first use.
    if error.is::<AdapterError>() { ExitCode::from(CONFIGURATION) } else { ExitCode::FAILURE }
}

fn say_version() -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "vibespro-api {}", env!("CARGO_PKG_VERSION"))
        .context("cannot write to stdout")
}

async fn run(settings: Settings) -> anyhow::Result<()> {
    let vibespro = InProcess::connect(&settings.db_url, &settings.database).context("DB_URL")?;
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("cannot listen on {}; set LISTEN to a free address", settings.listen))?;
    tracing::info!(address = %listener.local_addr()?, "vibespro-api listens");
    let upkeep = tokio::spawn(upkeep::forget_idempotency_keys(vibespro.clone()));
    // An answer goes out at once, also while the one before it is not acknowledged.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let served = axum::serve(listener, vibespro_api::router(Arc::new(vibespro)))
        .with_graceful_shutdown(stop::asked())
        .await;
    upkeep.abort();
    served.context("serving broke down")?;
    tracing::info!("stopped");
    Ok(())
}
