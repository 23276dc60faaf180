//! A running process of the stack.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::keeper::Keeper;
use crate::log::{LogReader, tail};
use crate::paths::on_path;
use crate::{Launch, StackError, StateDir};

/// How often a condition outside of this program is looked at.
pub(crate) const POLL: Duration = Duration::from_millis(10);

const SIGINT: u8 = 2;
const SIGTERM: u8 = 15;

/// A child process with everything below it. It is killed when this value is
/// dropped and when this program dies, in whatever way.
#[derive(Debug)]
pub struct Process {
    name: String,
    keeper: Keeper,
    pid: u32,
    log: PathBuf,
    reader: Mutex<LogReader>,
    /// The folder stays while something runs in it.
    _state: StateDir,
}

impl Process {
    pub(crate) async fn start(launch: Launch, state: &StateDir) -> Result<Self, StackError> {
        let program = find_program(&launch)?;
        let log = state.log(&launch.name);
        let reader = Mutex::new(LogReader::at_end(log.clone()));
        let task = launch.task(state, &program);
        let environment = launch.full_environment();
        let keeper = Keeper::start(&launch.name, state.path(), &task, &environment)?;
        let pid = keeper.started().await.map_err(|reason| StackError::Start {
            name: launch.name.clone(),
            program,
            reason,
        })?;
        tracing::debug!(name = launch.name, pid, log = %log.display(), "started");
        Ok(Self { name: launch.name, keeper, pid, log, reader, _state: state.clone() })
    }

    /// Its name within the stack.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The file that holds its output, standard output and error alike.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Its output up to now.
    pub fn output(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The end of its output, for an error message.
    pub fn last_lines(&self) -> String {
        tail(&self.log)
    }

    /// The complete lines of its output since the last call of this or of
    /// [`Process::wait_for_line`].
    pub fn new_lines(&self) -> Vec<String> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner).new_lines()
    }

    /// Whether it runs (frozen counts).
    pub fn is_running(&self) -> bool {
        self.keeper.ended_now().is_none()
    }

    /// SIGKILL to it and everything below it; returns when all of it is gone.
    pub async fn kill(&mut self) {
        self.keeper.order("kill").await;
        self.keeper.ended().await;
    }

    /// SIGSTOP to it and everything below it; returns when all of it stands.
    ///
    /// # Errors
    /// [`StackError::NotRunning`].
    pub async fn freeze(&mut self) -> Result<(), StackError> {
        self.order("freeze").await
    }

    /// Lets a frozen process run on.
    ///
    /// # Errors
    /// [`StackError::NotRunning`].
    pub async fn thaw(&mut self) -> Result<(), StackError> {
        self.order("thaw").await
    }

    /// SIGTERM to it alone; does not wait for its end.
    ///
    /// # Errors
    /// [`StackError::NotRunning`].
    pub async fn terminate(&self) -> Result<(), StackError> {
        self.signal(SIGTERM).await
    }

    /// SIGINT to it alone; does not wait for its end.
    ///
    /// # Errors
    /// [`StackError::NotRunning`].
    pub async fn interrupt(&self) -> Result<(), StackError> {
        self.signal(SIGINT).await
    }

    /// A signal, by number, to it alone.
    ///
    /// # Errors
    /// [`StackError::NotRunning`].
    pub async fn signal(&self, number: u8) -> Result<(), StackError> {
        self.order(&format!("signal {number}")).await
    }

    /// Waits for its end. What it left running is killed before this returns.
    pub async fn wait(&self) -> ExitStatus {
        self.keeper.ended().await
    }

    /// Waits for its end, at most this long.
    ///
    /// # Errors
    /// [`StackError::Timeout`].
    pub async fn wait_within(&self, limit: Duration) -> Result<ExitStatus, StackError> {
        tokio::time::timeout(limit, self.wait()).await.map_err(|_| self.timed_out("its end", limit))
    }

    /// Waits for a line of its output that contains `pattern`, and returns it.
    /// The next call searches behind that line.
    ///
    /// # Errors
    /// [`StackError::Timeout`]; [`StackError::Ended`] when it ended without it.
    pub async fn wait_for_line(&self, pattern: &str, limit: Duration) -> Result<String, StackError> {
        let deadline = Instant::now() + limit;
        loop {
            // Looked at before the log: a last line may precede the end.
            let ended = self.keeper.ended_now();
            if let Some(line) = self.next_match(pattern) {
                return Ok(line);
            }
            let waiting_for = format!("the line `{pattern}`");
            if let Some(status) = ended {
                return Err(self.ended_early(status, &waiting_for));
            }
            if Instant::now() >= deadline {
                return Err(self.timed_out(&waiting_for, limit));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn next_match(&self, pattern: &str) -> Option<String> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner).next_match(pattern)
    }

    async fn order(&self, order: &str) -> Result<(), StackError> {
        if self.keeper.order(order).await {
            return Ok(());
        }
        Err(StackError::NotRunning { name: self.name.clone(), order: order.to_owned() })
    }

    /// The error for "it ended", if it has.
    pub(crate) fn check_running(&self, waiting_for: &str) -> Result<(), StackError> {
        match self.keeper.ended_now() {
            Some(status) => Err(self.ended_early(status, waiting_for)),
            None => Ok(()),
        }
    }

    fn ended_early(&self, status: ExitStatus, waiting_for: &str) -> StackError {
        StackError::Ended {
            name: self.name.clone(),
            status,
            waiting_for: waiting_for.to_owned(),
            log: self.log.clone(),
            tail: tail(&self.log),
        }
    }

    pub(crate) fn timed_out(&self, waiting_for: &str, after: Duration) -> StackError {
        StackError::Timeout {
            name: self.name.clone(),
            waiting_for: waiting_for.to_owned(),
            after,
            log: self.log.clone(),
            tail: tail(&self.log),
        }
    }
}

/// A bare name is looked up on `PATH`, as a shell would.
fn find_program(launch: &Launch) -> Result<PathBuf, StackError> {
    if launch.program.components().count() > 1 {
        return Ok(launch.program.clone());
    }
    let name = launch.program.to_string_lossy();
    on_path(&name).ok_or_else(|| StackError::Start {
        name: launch.name.clone(),
        program: launch.program.clone(),
        reason: "no such program on PATH".into(),
    })
}
