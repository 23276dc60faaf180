use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::progress::Progress;
use crate::report::{Liveness, Readiness, liveness, readiness};

/// How one check stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// As it should be.
    Up,
    /// Not there yet, and what is waited for.
    Waiting(String),
    /// Broken, and why.
    Down(String),
}

impl Status {
    /// [`Status::Waiting`] for `what`.
    pub fn waiting(what: impl Into<String>) -> Self {
        Self::Waiting(what.into())
    }

    /// [`Status::Down`] because of `why`.
    pub fn down(why: impl Into<String>) -> Self {
        Self::Down(why.into())
    }
}

/// What the loops report to and the health answers read. Clones share the same checks.
#[derive(Clone, Debug)]
pub struct Health(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    checks: BTreeMap<String, Status>,
    progress: Vec<Progress>,
    tasks: BTreeMap<String, Beat>,
    draining: bool,
}

/// When a task last showed that it lives, and how long that holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beat {
    pub(crate) last: Instant,
    pub(crate) bound: Duration,
}

impl Health {
    /// Expects a report from each of the named checks; until then the worker is not ready.
    #[must_use]
    pub fn new(expected: &[&str]) -> Self {
        Self::with_clock(expected, Clock::system())
    }

    /// The same by another clock.
    #[must_use]
    pub fn with_clock(expected: &[&str], clock: Clock) -> Self {
        let first = || Status::waiting("has not reported yet");
        let checks = expected.iter().map(|name| ((*name).to_owned(), first())).collect();
        let state = Mutex::new(State { checks, ..State::default() });
        Self(Arc::new(Inner { clock, state }))
    }

    /// Reports how the check `name` stands; a change is logged.
    pub fn set(&self, name: &str, status: Status) {
        let before = self.with(|state| state.checks.insert(name.to_owned(), status.clone()));
        if before.as_ref() != Some(&status) {
            log_change(name, &status);
        }
    }

    /// Forgets the check `name`, when what it spoke of no longer belongs to the worker.
    pub fn remove(&self, name: &str) {
        self.with(|state| state.checks.remove(name));
    }

    /// Makes the worker's readiness depend on `progress` too.
    pub fn watch(&self, progress: Progress) {
        self.with(|state| state.progress.push(progress));
    }

    /// From now on the worker is not ready, whatever the checks say: it is stopping.
    pub fn drain(&self) {
        self.with(|state| state.draining = true);
    }

    /// Registers a task that must beat at least every `bound`; the first beat is now.
    /// A task of the same name is replaced.
    #[must_use = "the task is judged dead unless its pulse beats"]
    pub fn pulse(&self, task: &str, bound: Duration) -> Pulse {
        let pulse = Pulse { health: self.clone(), task: task.to_owned(), bound };
        pulse.beat();
        pulse
    }

    /// Whether the worker can do its work, and what stands in the way.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let (mut checks, progress, draining) =
            self.with(|state| (state.checks.clone(), state.progress.clone(), state.draining));
        for progress in progress {
            checks.insert(progress.name().to_owned(), progress.status());
        }
        readiness(checks, draining)
    }

    /// Whether every registered task has shown within its bound that it lives.
    #[must_use]
    pub fn liveness(&self) -> Liveness {
        let now = self.0.clock.now();
        self.with(|state| liveness(&state.tasks, now))
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A task's sign of life. Dropping it without [`Pulse::retire`] leaves the task registered:
/// one that panicked stops beating and is found out.
#[derive(Debug)]
pub struct Pulse {
    health: Health,
    task: String,
    bound: Duration,
}

impl Pulse {
    /// Shows that the task lives.
    pub fn beat(&self) {
        let beat = Beat { last: self.health.0.clock.now(), bound: self.bound };
        self.health.with(|state| match state.tasks.get_mut(&self.task) {
            Some(known) => *known = beat,
            None => {
                state.tasks.insert(self.task.clone(), beat);
            }
        });
    }

    /// The task ends as it should; nobody expects beats of it any more.
    pub fn retire(self) {
        self.health.with(|state| state.tasks.remove(&self.task));
    }
}

fn log_change(check: &str, status: &Status) {
    match status {
        Status::Up => tracing::info!(check, "up"),
        Status::Waiting(what) => tracing::warn!(check, waiting_for = what.as_str(), "waiting"),
        Status::Down(why) => tracing::warn!(check, why = why.as_str(), "down"),
    }
}
