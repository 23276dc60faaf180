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
    /// Programs that the description names are nowhere.
    #[error("{}", .0.join("\n"))]
    ProgramsAbsent(
        /// What needs which one, and where it was looked for.
        Vec<String>,
    ),
    /// The state was kept by a system with other NATS nodes.
    #[error(
        "the streams in {} are those of {kept} NATS node(s), and nats_nodes is {wanted}; write {kept} again, or \
         start over, which forgets all data",
        path.display()
    )]
    OtherNodes {
        /// The state folder.
        path: PathBuf,
        /// How many nodes it had.
        kept: usize,
        /// How many it is to have.
        wanted: usize,
    },
    /// A server ended, and could not be started again.
    #[error("Postgres ended and cannot be started again, so nothing works any more: {0}")]
    ServerGone(String),
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
