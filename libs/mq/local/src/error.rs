use std::path::PathBuf;
use std::time::Duration;

use sea_mq_database::DatabaseError;
use sea_mq_stack::StackError;
use sea_mq_stream::StreamError;

/// Why a system does not run.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The description cannot be read or makes no sense.
    #[error("{}: {problem}", file.display())]
    Description {
        /// The file.
        file: PathBuf,
        /// What is wrong in it.
        problem: String,
    },
    /// A server or program of the stack.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// A context's database could not be made.
    #[error("the database of {context}: {source}")]
    Provision {
        /// The context.
        context: String,
        /// What the database said.
        source: DatabaseError,
    },
    /// A step that runs once before the programs, such as a migration, failed.
    #[error("{step} failed ({status}):\n{output}")]
    Step {
        /// Which one.
        step: String,
        /// How it ended.
        status: String,
        /// The end of what it wrote.
        output: String,
    },
    /// Programs that were not ready in time.
    #[error("not ready within {} s: {waiting}", limit.as_secs())]
    NotReady {
        /// How long was waited.
        limit: Duration,
        /// Which programs, and what each says.
        waiting: String,
    },
    /// No program of that name.
    #[error("there is no program {0}")]
    UnknownProgram(String),
    /// A program did not end in order when it was asked to.
    #[error("did not stop in order: {0}")]
    Disorderly(String),
    /// The brokers refused a connection.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// A query of the observer failed.
    #[error("cannot look into the database: {0}")]
    Look(#[from] sqlx::Error),
    /// A file of the state folder.
    #[error("cannot {doing} {}: {source}", path.display())]
    File {
        /// What was to be done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

impl LocalError {
    pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { doing, path, source }
    }
}
