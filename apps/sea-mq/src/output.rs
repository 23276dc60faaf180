use std::io::{ErrorKind, Write};

use serde_json::Value;

use crate::failure::Failure;

/// Where data goes: stdout, as text or as JSON.
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints the one or the other form.
    pub(crate) fn print(&self, text: &str, json: &Value) -> Result<(), Failure> {
        let chosen = if self.json { format!("{json:#}") } else { text.trim_end().to_owned() };
        match writeln!(std::io::stdout(), "{chosen}") {
            // Whoever reads has seen enough, as `head` does.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(Failure::failed(format!("cannot write to stdout: {error}"))),
            Ok(()) => Ok(()),
        }
    }
}

/// A message for people, on stderr.
pub(crate) fn complain(message: &str) {
    // Without a stderr there is nobody left to tell.
    drop(writeln!(std::io::stderr(), "sea-mq: {message}"));
}
