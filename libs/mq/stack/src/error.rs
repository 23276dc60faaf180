//! What can go wrong while servers are found, started and stopped.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// Every failure of this crate; the text says what happened, to what, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// A server binary is not where it was looked for.
    #[error("{what} not found: {looked}. {remedy}")]
    BinaryMissing {
        /// Which binary.
        what: String,
        /// Where it was looked for.
        looked: String,
        /// What to do about it.
        remedy: String,
    },
    /// A file or folder of the state could not be made, read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried, as a verb: "create", "read".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another program runs its servers in this state folder.
    #[error(
        "the state folder {} is in use by another running program; stop that one, or choose another folder",
        path.display()
    )]
    StateInUse {
        /// The folder.
        path: PathBuf,
    },
    /// The process could not be started at all.
    #[error("cannot start {name} ({}): {reason}", program.display())]
    Start {
        /// Name of the process in this stack.
        name: String,
        /// The program that was to run.
        program: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The process ended although it was needed.
    #[error("{name} ended ({status}) while {waiting_for} was awaited; its log {} ends with:\n{tail}", log.display())]
    Ended {
        /// Name of the process in this stack.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// What was awaited.
        waiting_for: String,
        /// Its log file.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// What was awaited did not happen in time.
    #[error("{name}: no {waiting_for} within {} s; its log {} ends with:\n{tail}", after.as_secs_f32(), log.display())]
    Timeout {
        /// Name of the process in this stack.
        name: String,
        /// What was awaited.
        waiting_for: String,
        /// How long.
        after: Duration,
        /// Its log file.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// A process that has ended was told to do something.
    #[error("{name} is not running, so it cannot be told to {order}; restart it first")]
    NotRunning {
        /// Name of the process in this stack.
        name: String,
        /// The order.
        order: String,
    },
    /// Every port that was tried is taken.
    #[error("no free TCP port on 127.0.0.1 among {tried} tried")]
    NoFreePort {
        /// How many were tried.
        tried: usize,
    },
    /// A link cannot listen on its port.
    #[error("the link {name} cannot listen on {address}: {source}")]
    Link {
        /// Name of the link.
        name: String,
        /// Where it was to listen.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system does not let this program do that.
    #[error("{what} is not allowed here: {reason}. It takes root on Linux; without it, leave this out.")]
    NotAllowed {
        /// What was tried.
        what: String,
        /// What the system said.
        reason: String,
    },
    /// A setting that cannot work.
    #[error("{0}")]
    Setting(String),
}

impl StackError {
    /// For `map_err` on file operations.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}
