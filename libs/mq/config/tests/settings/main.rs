//! Settings as an operator says them: variables, files, and what is refused.
#![allow(clippy::unwrap_used)]

mod bad_input;
mod defaults;
mod file;
mod properties;
mod refusals;
mod secrets;

use std::collections::BTreeMap;

use sea_mq_config::{ConfigError, Settings};

/// The least that a worker must be told.
const LEAST: &[(&str, &str)] =
    &[("CONTEXT", "sea"), ("DB_URL", "postgres://sea_worker:hunter2@127.0.0.1:5432/sea_db")];

/// The least, and a subscription.
const CONSUMING: &[(&str, &str)] = &[
    ("CONSUME_STREAM", "VIBESPRO_EVENTS"),
    ("CONSUME_SUBJECT", "vibespro.event.>"),
    ("HANDLER_URL", "http://127.0.0.1:7001/handle"),
];

fn load(vars: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    // As in a real environment, a name is there once; the last one counts.
    let vars: BTreeMap<_, _> =
        vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Settings::from_env(vars)
}

/// Loads the least with `more` on top.
fn with(more: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    load(&[LEAST, more].concat())
}

/// Loads a consuming worker with `more` on top; a later variable replaces an earlier one.
fn consuming(more: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    load(&[LEAST, CONSUMING, more].concat())
}
