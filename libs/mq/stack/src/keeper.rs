//! This side of the keeper: one process that holds one child of ours.
//!
//! The bond is a pipe. Only we hold its writing end, so the keeper reads an end
//! of file when we drop it and also when we are killed; nothing has to run here
//! for that. What the keeper then does is written in `keeper.py`.
//!
//! Nothing here is tied to an async runtime: a server that several tests share
//! outlives the runtime of the test that started it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde::Serialize;
use tokio::sync::watch;

use crate::StackError;
use crate::paths::{on_path, virtual_environment};
use crate::state::{keeper_program, keepers_lock};

/// SIGKILL as a wait status: what became of a child whose keeper vanished.
const KILLED: i32 = 9;

/// What a keeper is to do; see `keeper.py` for the meaning of each field.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Task {
    pub(crate) command: Vec<String>,
    pub(crate) log: PathBuf,
    pub(crate) lock: PathBuf,
    pub(crate) remove: Option<PathBuf>,
    pub(crate) dir: Option<PathBuf>,
    pub(crate) unprivileged: bool,
    pub(crate) namespace: bool,
    pub(crate) own: Vec<PathBuf>,
    pub(crate) segment_of: Option<PathBuf>,
}

impl Task {
    pub(crate) fn new(state: &Path) -> Self {
        Self { lock: keepers_lock(state), ..Self::default() }
    }
}

/// What the keeper has reported so far.
#[derive(Debug, Default, Clone)]
pub(crate) struct Reports {
    started: Option<Result<u32, String>>,
    done: u64,
    pub(crate) ended: Option<ExitStatus>,
}

/// A running keeper. Dropping it kills what it keeps.
#[derive(Debug)]
pub(crate) struct Keeper {
    orders: Mutex<Orders>,
    reports: watch::Receiver<Reports>,
}

#[derive(Debug)]
struct Orders {
    pipe: ChildStdin,
    sent: u64,
}

impl Keeper {
    pub(crate) const PROGRAM: &str = include_str!("keeper.py");

    /// Starts a keeper; [`Keeper::started`] tells whether its child runs.
    /// `environment` is the child's whole environment if it is not empty.
    pub(crate) fn start(
        name: &str,
        state: &Path,
        task: &Task,
        environment: &[(String, String)],
    ) -> Result<Self, StackError> {
        let python = python()?;
        let failed =
            |reason: String| StackError::Start { name: name.to_owned(), program: python.clone(), reason };
        let mut keeper = keeper_command(&python, state, task, environment)
            .and_then(|mut command| command.spawn())
            .map_err(|error| failed(error.to_string()))?;
        let (Some(pipe), Some(output)) = (keeper.stdin.take(), keeper.stdout.take()) else {
            return Err(failed("its pipes are missing".into()));
        };
        let (sender, reports) = watch::channel(Reports::default());
        std::thread::Builder::new()
            .name(format!("keeper of {name}"))
            .spawn(move || follow(keeper, output, &sender))
            .map_err(|error| failed(error.to_string()))?;
        let orders = Mutex::new(Orders { pipe, sent: 0 });
        Ok(Self { orders, reports })
    }

    /// Waits until the child runs; its process id, or why it does not run.
    pub(crate) async fn started(&self) -> Result<u32, String> {
        let mut reports = self.reports.clone();
        let reports = reports.wait_for(|now| now.started.is_some() || now.ended.is_some()).await;
        match reports {
            Ok(now) => now.started.clone().unwrap_or_else(|| Err("its keeper ended before it ran".into())),
            Err(_) => Err("its keeper ended before it ran".into()),
        }
    }

    /// Gives an order and waits until it is carried out; false when the child
    /// has ended, before or because of the order.
    pub(crate) async fn order(&self, order: &str) -> bool {
        let Some(number) = self.send(order) else {
            return false;
        };
        let mut reports = self.reports.clone();
        let done = reports.wait_for(|now| now.done >= number || now.ended.is_some()).await;
        done.is_ok_and(|now| now.done >= number)
    }

    fn send(&self, order: &str) -> Option<u64> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        orders.pipe.write_all(format!("{order}\n").as_bytes()).ok()?;
        orders.sent += 1;
        Some(orders.sent)
    }

    /// How the child ended, once it has.
    pub(crate) async fn ended(&self) -> ExitStatus {
        let mut reports = self.reports.clone();
        match reports.wait_for(|now| now.ended.is_some()).await {
            Ok(now) => now.ended.unwrap_or(ExitStatus::from_raw(KILLED)),
            Err(_) => ExitStatus::from_raw(KILLED),
        }
    }

    /// How the child ended, if it has.
    pub(crate) fn ended_now(&self) -> Option<ExitStatus> {
        self.reports.borrow().ended
    }
}

fn keeper_command(
    python: &Path,
    state: &Path,
    task: &Task,
    environment: &[(String, String)],
) -> std::io::Result<Command> {
    let mut command = Command::new(python);
    command
        .args(["-I", "-S"])
        .arg(keeper_program(state))
        .arg(serde_json::to_string(task)?)
        // From its first moment on: Ctrl-C at a terminal is for us, and what is kept ends by our word.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    if !environment.is_empty() {
        command.env_clear().envs(environment.iter().cloned());
    }
    Ok(command)
}

/// Reads the keeper's reports until it ends, and reaps it.
fn follow(mut keeper: Child, output: ChildStdout, sender: &watch::Sender<Reports>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        sender.send_modify(|reports| take_report(reports, &line));
    }
    // The outcome says nothing that the reports did not.
    drop(keeper.wait());
    sender.send_modify(|reports| {
        reports.ended.get_or_insert(ExitStatus::from_raw(KILLED));
    });
}

fn take_report(reports: &mut Reports, line: &str) {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "started" => reports.started = Some(Ok(rest.parse().unwrap_or_default())),
        "failed" => reports.started = Some(Err(rest.to_owned())),
        "done" => reports.done += 1,
        "ended" => {
            let status = rest.parse().unwrap_or(KILLED);
            reports.ended = Some(ExitStatus::from_raw(status));
        }
        unknown => tracing::warn!(report = unknown, "the keeper said something unknown"),
    }
}

/// A Python 3 that is no wrapper script, if there is one: it starts in a tenth
/// of the time.
fn python() -> Result<PathBuf, StackError> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            [virtual_environment().join("bin/python3"), PathBuf::from("/usr/bin/python3")]
                .into_iter()
                .find(|path| path.is_file())
                .or_else(|| on_path("python3"))
        })
        .clone()
        .ok_or_else(|| StackError::BinaryMissing {
            what: "python3".into(),
            looked: "neither in the project's .venv nor on PATH".into(),
            remedy: "Install Python 3.10 or newer.".into(),
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reports_are_understood() {
        let mut reports = Reports::default();
        for line in ["started 42", "done", "done", "ended 256"] {
            take_report(&mut reports, line);
        }
        assert_eq!(reports.started, Some(Ok(42)));
        assert_eq!(reports.done, 2);
        assert_eq!(reports.ended.unwrap().code(), Some(1));
    }

    #[test]
    fn a_failed_start_keeps_its_reason() {
        let mut reports = Reports::default();
        take_report(&mut reports, "failed No such file: 'x y'");
        assert_eq!(reports.started, Some(Err("No such file: 'x y'".to_owned())));
    }
}
