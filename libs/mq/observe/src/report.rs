//! The health answers: decided from what was reported, and their JSON.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Serialize;

use crate::health::{Beat, Status};

/// Answer of `/health/ready`: `{"status":"ready","checks":{"nats":{"status":"up"},…}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// The verdict.
    pub status: ReadinessStatus,
    /// Every check by name.
    pub checks: BTreeMap<String, CheckReport>,
}

/// Whether work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadinessStatus {
    /// Everything is up.
    Ready,
    /// Something is not up.
    NotReady,
    /// The worker was told to stop.
    Draining,
}

/// One check as JSON: `{"status":"waiting","why":"…"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum CheckReport {
    /// As it should be.
    Up,
    /// Not there yet.
    Waiting {
        /// What is waited for.
        why: String,
    },
    /// Broken.
    Down {
        /// The reason.
        why: String,
    },
}

/// Answer of `/health/live`: `{"status":"live","stuck":[]}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Liveness {
    /// The verdict.
    pub status: LivenessStatus,
    /// Tasks that gave no sign of life within their bound.
    pub stuck: Vec<StuckTask>,
}

/// Whether the process is of any use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LivenessStatus {
    /// Every task lives.
    Live,
    /// At least one does not: only a restart helps.
    Stuck,
}

/// A task that gave no sign of life within its bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StuckTask {
    /// Its name.
    pub task: String,
    /// Seconds since its last sign of life.
    pub silent_secs: u64,
    /// Seconds that it may be silent.
    pub bound_secs: u64,
}

/// Ready means that everything is up; a worker that nothing is known of is not ready.
pub(crate) fn readiness(checks: BTreeMap<String, Status>, draining: bool) -> Readiness {
    let all_up = !checks.is_empty() && checks.values().all(|status| *status == Status::Up);
    let status = match (draining, all_up) {
        (true, _) => ReadinessStatus::Draining,
        (false, true) => ReadinessStatus::Ready,
        (false, false) => ReadinessStatus::NotReady,
    };
    let checks = checks.into_iter().map(|(name, status)| (name, status.into())).collect();
    Readiness { status, checks }
}

/// Stuck is who has been silent for longer than its bound.
pub(crate) fn liveness(tasks: &BTreeMap<String, Beat>, now: Instant) -> Liveness {
    let stuck: Vec<StuckTask> = tasks
        .iter()
        .map(|(task, beat)| (task, beat, now.saturating_duration_since(beat.last)))
        .filter(|(_, beat, silent)| *silent > beat.bound)
        .map(|(task, beat, silent)| StuckTask {
            task: task.clone(),
            silent_secs: silent.as_secs(),
            bound_secs: beat.bound.as_secs(),
        })
        .collect();
    let status = if stuck.is_empty() { LivenessStatus::Live } else { LivenessStatus::Stuck };
    Liveness { status, stuck }
}

impl From<Status> for CheckReport {
    fn from(status: Status) -> Self {
        match status {
            Status::Up => Self::Up,
            Status::Waiting(why) => Self::Waiting { why },
            Status::Down(why) => Self::Down { why },
        }
    }
}
