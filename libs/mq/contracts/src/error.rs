use std::fmt;
use std::io;
use std::path::PathBuf;

/// What is wrong with one file, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was reached.
    pub file: PathBuf,
    /// A JSON pointer, or line and column; `None` for the file as a whole.
    pub place: Option<String>,
    /// What is wrong and what to do.
    pub reason: String,
}

impl Problem {
    pub(crate) fn of(file: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self { file: file.into(), place: None, reason: reason.into() }
    }

    pub(crate) fn at(file: impl Into<PathBuf>, place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { file: file.into(), place: Some(place.into()), reason: reason.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match &self.place {
            Some(place) => write!(f, "{file} at {place}: {}", self.reason),
            None => write!(f, "{file}: {}", self.reason),
        }
    }
}

/// Why contracts cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ContractsError {
    /// Files that are not what they should be; never empty.
    #[error("{}", list(.0))]
    Broken(Vec<Problem>),
    /// The folder or a file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl ContractsError {
    pub(crate) fn read(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |source| Self::Read { path, source }
    }

    pub(crate) fn write(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |source| Self::Write { path, source }
    }
}

fn list(problems: &[Problem]) -> String {
    let head = match problems.len() {
        1 => "1 problem in the contracts:".to_owned(),
        n => format!("{n} problems in the contracts:"),
    };
    problems.iter().fold(head, |text, problem| format!("{text}\n  - {problem}"))
}
