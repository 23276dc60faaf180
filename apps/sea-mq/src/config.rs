use clap::Subcommand;
use sea_mq_config::Settings;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check environment and CONFIG_FILE as the worker would; every problem is listed at once.
    Check,
    /// Print the settings in force, secrets masked.
    Show,
}

pub(crate) fn run(command: &ConfigCommand, output: &Output) -> Result<(), Failure> {
    let settings = Settings::load()?;
    match command {
        ConfigCommand::Check => {
            let text = format!("the configuration of context {} is good", settings.context);
            output.print(&text, &json!({ "context": settings.context.as_str(), "problems": [] }))
        }
        ConfigCommand::Show => {
            let text = settings.describe();
            output.print(&text, &as_json(&text)?)
        }
    }
}

/// The listing has the form of the configuration file.
fn as_json(listing: &str) -> Result<Value, Failure> {
    toml::from_str(listing)
        .map_err(|error| Failure::failed(format!("the settings cannot be shown as JSON: {error}")))
}
