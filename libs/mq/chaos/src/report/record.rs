use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::outcome::Outcome;
use super::page;

/// One chaos run from beginning to end. All moments are milliseconds since [`Report::started_at`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What the schedule of faults and the load were drawn from. Above 2^53 some JSON readers round it.
    pub seed: u64,
    /// When the run started: moment 0. RFC 3339 in JSON.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// How long faults were to be injected, in minutes, as asked for; healing and draining come on top.
    pub minutes: u64,
    /// The kinds of fault that the run was restricted to (`--fault`); empty: every kind.
    #[serde(default)]
    pub only_faults: Vec<String>,
    /// What ran.
    pub versions: Versions,
    /// The load in words: contexts, instances, rates, shares of slow, failing and poison events.
    pub load_summary: String,
    /// Every injection, in the order of injecting.
    pub faults: Vec<FaultRecord>,
    /// One observation a second, in the order of time. A second that could not be observed has none.
    pub samples: Vec<Sample>,
    /// What came of it.
    pub outcome: Outcome,
    /// Further arguments that the run was made with: seed and length alone do not lead to it again.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// The file that keeps the history of a run that missed the bar.
    #[serde(default)]
    pub history_file: Option<String>,
}

/// Versions of the servers, as they name themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// Postgres, such as `18.1`.
    pub postgres: String,
    /// nats-server, such as `2.14.3`.
    pub nats: String,
}

/// One fault, injected once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// What was done, such as `kill_worker`. Faults of one kind share a lane on the page.
    pub kind: String,
    /// To whom, such as `sea worker 2`.
    pub target: String,
    /// When it was injected, in ms since the start.
    pub injected_at_ms: u64,
    /// When it was healed, in ms since the start; the injection itself for what needs no healing.
    pub healed_at_ms: u64,
    /// From the heal until the backlog of healthy events was back to normal, in ms. `None`: it was not
    /// seen there before the next fault or the end of the run.
    pub recovered_after_ms: Option<u64>,
    /// What else is worth knowing.
    pub note: String,
    /// How it ended.
    pub outcome: FaultOutcome,
}

/// How an injection ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "result", content = "why")]
pub enum FaultOutcome {
    /// It was injected and healed, and the system carried on.
    Survived,
    /// This machine does not allow it: it was not injected, for this reason.
    NotAllowed(String),
    /// It could not be healed, or the system did not carry on, for this reason.
    Failed(String),
}

/// What was seen in one second, summed over the contexts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When, in ms since the start.
    pub at_ms: u64,
    /// Events committed to the outboxes so far.
    pub committed: u64,
    /// Inbox rows processed so far.
    pub processed: u64,
    /// Inbox rows dead-lettered so far.
    pub dead: u64,
    /// Events in the outboxes that are not published yet.
    pub outbox_backlog: u64,
    /// Inbox rows that are not finished, those of failing events included.
    pub inbox_backlog: u64,
    /// Events that are not finished, in outboxes, streams and inboxes, without those that fail on purpose
    /// and those that wait behind one.
    pub healthy_backlog: u64,
    /// Median time from commit to effect of what was processed in this second, in ms; `None`: nothing was.
    pub latency_p50_ms: Option<f64>,
    /// 99th percentile of the same, in ms.
    pub latency_p99_ms: Option<f64>,
    /// The same counts for each context; may be empty.
    #[serde(default)]
    pub contexts: Vec<ContextSample>,
}

/// The part of one context in a [`Sample`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextSample {
    /// The context.
    pub context: String,
    /// Events committed to its outbox so far.
    pub committed: u64,
    /// Rows of its inbox processed so far.
    pub processed: u64,
    /// Rows of its inbox dead-lettered so far.
    pub dead: u64,
    /// Events in its outbox that are not published yet.
    pub outbox_backlog: u64,
    /// Rows of its inbox that are not finished.
    pub inbox_backlog: u64,
}

impl Report {
    /// The record as JSON, on one line.
    ///
    /// # Errors
    /// Never for a report that was made by a run; the writer of JSON has the type.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Reads what [`Report::to_json`] wrote.
    ///
    /// # Errors
    /// What is wrong with the text, and at which line and column.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The page: one HTML file that needs nothing else, of less than 2 MB for a run of an hour.
    #[must_use]
    pub fn to_html(&self) -> String {
        page::html(self)
    }

    /// The command that repeats this run.
    #[must_use]
    pub fn command(&self) -> String {
        let faults = self.only_faults.iter().map(|kind| format!(" --fault {kind}"));
        let further = self.arguments.iter().map(|argument| format!(" {argument}"));
        let rest: String = faults.chain(further).collect();
        format!("sea-mq chaos --seed {} --minutes {}{rest}", self.seed, self.minutes)
    }

    /// The last moment that is known of, in ms since the start; at least one second.
    pub(super) fn end_ms(&self) -> u64 {
        let seen = self.samples.last().map_or(0, |sample| sample.at_ms);
        self.faults.iter().map(FaultRecord::settled_at_ms).chain([seen, 1_000]).max().unwrap_or(1_000)
    }

    /// When the last fault was healed; `None` when none was injected.
    pub(super) fn last_heal_ms(&self) -> Option<u64> {
        self.faults.iter().filter(|fault| fault.was_injected()).map(|fault| fault.healed_at_ms).max()
    }
}

impl FaultRecord {
    /// Whether it happened at all.
    #[must_use]
    pub fn was_injected(&self) -> bool {
        match self.outcome {
            FaultOutcome::Survived | FaultOutcome::Failed(_) => true,
            FaultOutcome::NotAllowed(_) => false,
        }
    }

    /// Adds something that is worth knowing.
    pub(crate) fn add_note(&mut self, what: &str) {
        if !self.note.is_empty() {
            self.note.push_str("; ");
        }
        self.note.push_str(what);
    }

    /// The kind with its target.
    pub(crate) fn label(&self) -> String {
        if self.target.is_empty() { self.kind.clone() } else { format!("{} of {}", self.kind, self.target) }
    }

    /// From the injection to the heal.
    pub(super) fn lasted_ms(&self) -> u64 {
        self.healed_at_ms.saturating_sub(self.injected_at_ms)
    }

    /// When its recovery was seen, or else when it was healed.
    pub(super) fn settled_at_ms(&self) -> u64 {
        self.healed_at_ms.saturating_add(self.recovered_after_ms.unwrap_or(0))
    }
}
