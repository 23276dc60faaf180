use sea_mq_event::ContextName;

/// Reads `--context`; clap names the option in the error.
pub(crate) fn parse(text: &str) -> Result<ContextName, String> {
    ContextName::parse(text).map_err(|error| error.to_string())
}
