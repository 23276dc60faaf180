use std::path::PathBuf;

use sea_mq_stack::StackError;
use sea_mq_testkit::TestkitError;

use crate::FaultKind;

/// Why a run could not be made, or not be judged. A broken promise is no error: it is in the report.
#[derive(Debug, thiserror::Error)]
pub enum ChaosError {
    /// No fault has this name.
    #[error("there is no fault `{name}`; there are {}", FaultKind::ALL.map(FaultKind::name).join(", "))]
    UnknownFault {
        /// What was asked for.
        name: String,
    },
    /// A server, worker or handler could not be started.
    #[error("{0}")]
    Stack(#[from] StackError),
    /// The system could not be brought up, looked at, or read.
    #[error("{0}")]
    Testkit(#[from] TestkitError),
    /// The handlers need Python with the packages of `requirements/handlers.txt`.
    #[error("there is no Python for the handlers at {}: run `make handlers-venv`, or name one with --python", .0.display())]
    NoPython(PathBuf),
    /// The folder holds something, and no run made it.
    #[error("{} is not empty and not of an earlier run: name a folder of its own with --folder", .0.display())]
    ForeignFolder(PathBuf),
    /// The system did not come up.
    #[error("after {seconds} s it was still awaited that {what}")]
    NotReady {
        /// The condition.
        what: String,
        /// How long was waited.
        seconds: u64,
    },
    /// What an operator does did not succeed, although it was tried again and again.
    #[error("`{command}` did not succeed; it said: {said}")]
    Command {
        /// Which.
        command: String,
        /// What it printed last.
        said: String,
    },
    /// A file could not be written or read.
    #[error("cannot {doing} {}: {source}", .path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}
