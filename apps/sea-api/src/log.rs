use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Writes log lines to stderr from now on, as `LOG_FORMAT` says; `RUST_LOG` chooses which.
///
/// # Errors
/// `LOG_FORMAT` is neither `human` nor `json`; the lines are for humans then.
pub(crate) fn init() -> Result<(), String> {
    let format = std::env::var("LOG_FORMAT").unwrap_or_default();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_unset| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if format == "json" {
        lines.json().init();
        return Ok(());
    }
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    lines.with_ansi(colours).init();
    match format.as_str() {
        "" | "human" => Ok(()),
        other => Err(format!("LOG_FORMAT is `{other}`: write `human` or `json`, or leave it out")),
    }
}
