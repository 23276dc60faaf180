//! What runs in a terminal of its own.

use std::process::Command;
use std::time::Duration;

use sea_mq_stack::{Process, StackError};

use crate::checkout::Checkout;
use crate::run::shell;

const READY: &str = "ready";
const READY_WITHIN: Duration = Duration::from_secs(90);
const ENDED_WITHIN: Duration = Duration::from_secs(40);

/// A background block that runs, in a session of its own as in a terminal.
pub struct Background(Process);

impl Background {
    /// Returns when a line of its output begins with `ready`.
    pub async fn start(text: &str, name: &str, checkout: &Checkout) -> Result<Self, String> {
        let process = shell(name, text, checkout).await?;
        ready(&process).await.map_err(|error| error.to_string())?;
        Ok(Self(process))
    }

    pub fn output(&self) -> String {
        self.0.output()
    }

    /// Ctrl-C, which a terminal sends to all that run in it. It has to end by that.
    pub async fn interrupt(self) -> Result<(), String> {
        let group = format!("-{}", self.0.pid());
        let sent = Command::new("/bin/kill").args(["-INT", "--", &group]).status();
        if !sent.is_ok_and(|status| status.success()) {
            return Err(format!("{} has ended already:\n{}", self.0.name(), self.output()));
        }
        self.0.wait_within(ENDED_WITHIN).await.map(|_status| ()).map_err(|error| error.to_string())
    }
}

async fn ready(process: &Process) -> Result<(), StackError> {
    loop {
        let line = process.wait_for_line(READY, READY_WITHIN).await?;
        if line.starts_with(READY) {
            return Ok(());
        }
    }
}
