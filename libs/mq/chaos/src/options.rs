use std::path::PathBuf;
use std::time::Duration;

use sea_mq_stack::project_root;

use crate::FaultKind;
use crate::schedule::DEFAULT_EVERY;

/// What a run consists of.
#[derive(Clone, Debug)]
pub struct Options {
    /// From which schedule, load and targets follow.
    pub seed: u64,
    /// For how long faults are injected under load.
    pub length: Duration,
    /// How often.
    pub every: Duration,
    /// Which.
    pub kinds: Vec<FaultKind>,
    /// Events that applications commit in a second, over both contexts, besides bursts and what events cause.
    pub rate: u32,
    /// Where servers keep their data, logs are written, and the report and a broken run's history stay.
    pub folder: PathBuf,
    /// The Python of the handlers.
    pub python: PathBuf,
    /// The command line program, for what an operator does.
    pub sea_mq: PathBuf,
}

impl Options {
    /// Every kind of fault in the time that each has twice, with this command line program.
    #[must_use]
    pub fn new(seed: u64, folder: PathBuf, sea_mq: PathBuf) -> Self {
        Self {
            seed,
            length: DEFAULT_EVERY * 2 * u32::try_from(FaultKind::ALL.len()).unwrap_or(1),
            every: DEFAULT_EVERY,
            kinds: FaultKind::ALL.to_vec(),
            rate: 60,
            folder,
            python: project_root().join(".venv/bin/python3"),
            sea_mq,
        }
    }
}
