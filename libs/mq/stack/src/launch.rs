//! What to start, and how.

use std::path::{Path, PathBuf};

use crate::keeper::Task;
use crate::{Process, StackError, StateDir};

/// Describes a process before it is started.
#[derive(Debug, Clone)]
pub struct Launch {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) own_environment_only: bool,
    pub(crate) dir: Option<PathBuf>,
    pub(crate) unprivileged: bool,
    pub(crate) owned: Vec<PathBuf>,
    pub(crate) segment_of: Option<PathBuf>,
}

impl Launch {
    /// A process with this name within the stack; its log gets the name. The
    /// program is a path, or a name that is looked up on `PATH`.
    pub fn new(name: impl Into<String>, program: impl AsRef<Path>) -> Self {
        Self {
            name: name.into(),
            program: program.as_ref().to_path_buf(),
            arguments: Vec::new(),
            environment: Vec::new(),
            own_environment_only: false,
            dir: None,
            unprivileged: false,
            owned: Vec::new(),
            segment_of: None,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<String>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable; the last value of a name counts.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Sets environment variables.
    #[must_use]
    pub fn envs(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment.extend(variables);
        self
    }

    /// Nothing of the caller's environment is handed on but `PATH`.
    #[must_use]
    pub fn own_environment_only(mut self) -> Self {
        self.own_environment_only = true;
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// The process may not run as root; it gets these paths if another user
    /// has to run it.
    #[must_use]
    pub(crate) fn unprivileged(mut self, owned: impl IntoIterator<Item = PathBuf>) -> Self {
        self.unprivileged = true;
        self.owned.extend(owned);
        self
    }

    /// The process keeps the id of a shared memory segment in this file.
    #[must_use]
    pub(crate) fn shared_memory(mut self, pid_file: PathBuf) -> Self {
        self.segment_of = Some(pid_file);
        self
    }

    /// Starts it. It dies when the returned value is dropped, and when this
    /// program dies.
    ///
    /// # Errors
    /// [`StackError::Start`] names the program and the system's reason.
    pub async fn start(self, state: &StateDir) -> Result<Process, StackError> {
        Process::start(self, state).await
    }

    pub(crate) fn task(&self, state: &StateDir, program: &Path) -> Task {
        let mut command = vec![program.display().to_string()];
        command.extend(self.arguments.iter().cloned());
        Task {
            command,
            log: state.log(&self.name),
            dir: self.dir.clone(),
            unprivileged: self.unprivileged,
            namespace: namespace_wanted(),
            own: self.owned.clone(),
            segment_of: self.segment_of.clone(),
            ..Task::new(state.path())
        }
    }

    /// The child's whole environment.
    pub(crate) fn full_environment(&self) -> Vec<(String, String)> {
        let mut environment: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| !self.own_environment_only || name == "PATH")
            .collect();
        environment.extend(self.environment.iter().cloned());
        environment
    }
}

/// `SEA_MQ_USER_NAMESPACE=never` makes root's servers run as another user even
/// where a user namespace would do.
fn namespace_wanted() -> bool {
    std::env::var_os("SEA_MQ_USER_NAMESPACE").is_none_or(|value| value != "never")
}
