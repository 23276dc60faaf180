//! `sea-api`: SEA over HTTP and Postgres.
//!
//! Environment: `DB_URL`, the context's database as its application role (required); `LISTEN`,
//! address and port (default 127.0.0.1:8001); `DB_POOL`, most connections (default 16); `VIBESPRO`,
//! where a case's vibe is looked up: `in-process` with `VIBESPRO_DB_URL`, `http` with
//! `VIBESPRO_BASE_URL`, unset: nowhere; `LOG_FORMAT`, `human` (default) or `json`, one object a line.
//! SIGTERM and SIGINT finish what is in hand and exit 0.
//!
//! `sea-api migrate` makes or updates SEA's tables and ends; `MIGRATOR_URL` is the same database as its
//! migrator. `sea-api --version` says which version this is.
//!
//! Exit codes: 1 failed, 2 usage, 64 configuration.

mod log;
mod settings;
mod stop;
mod upkeep;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use sea_public_api::{ConnectError, InProcess, migrate};
use tokio::net::TcpListener;

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
        ["migrate"] => make_tables().await,
        ["--version" | "-V"] => ended(say_version()),
        _other => {
            tracing::error!("usage: sea-api, sea-api migrate, or sea-api --version");
            ExitCode::from(USAGE)
        }
    }
}

async fn serve() -> ExitCode {
    match Settings::from_env() {
        Ok(settings) => ended(run(settings).await),
        Err(problems) => {
            problems.lines().for_each(|problem| tracing::error!(problem, "cannot start"));
            ExitCode::from(CONFIGURATION)
        }
    }
}

fn ended(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    tracing::error!(error = format!("{error:#}"), "stopped");
    // A URL that cannot be used is known before the first use.
    if error.is::<ConnectError>() { ExitCode::from(CONFIGURATION) } else { ExitCode::FAILURE }
}

async fn run(settings: Settings) -> anyhow::Result<()> {
    let sea = InProcess::connect(&settings.db_url, &settings.database, &settings.vibespro)?;
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("cannot listen on {}; set LISTEN to a free address", settings.listen))?;
    tracing::info!(address = %listener.local_addr()?, "sea-api listens");
    let upkeep = tokio::spawn(upkeep::forget_idempotency_keys(sea.clone()));
    let served =
        axum::serve(listener, sea_api::router(Arc::new(sea))).with_graceful_shutdown(stop::asked()).await;
    upkeep.abort();
    served.context("serving broke down")?;
    tracing::info!("stopped");
    Ok(())
}

async fn make_tables() -> ExitCode {
    let Some(url) = std::env::var("MIGRATOR_URL").ok().filter(|url| !url.is_empty()) else {
        let problem = "MIGRATOR_URL is not set: the URL of SEA's database as role sea_migrator";
        tracing::error!(problem, "cannot migrate");
        return ExitCode::from(CONFIGURATION);
    };
    ended(migrated(&url).await)
}

async fn migrated(url: &str) -> anyhow::Result<()> {
    let applied = migrate(url).await?;
    tracing::info!(applied = applied.len(), "SEA's tables are up to date");
    Ok(())
}

fn say_version() -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "sea-api {}", env!("CARGO_PKG_VERSION")).context("cannot write to stdout")
}
