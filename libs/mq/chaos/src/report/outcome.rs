use serde::{Deserialize, Serialize};

use super::record::{FaultOutcome, FaultRecord};
use super::units::{grouped, span};
use super::violations::{Promise, ViolationRecord};

/// The backlog of healthy events has to be back to zero this soon after the last heal, in ms.
pub const RECOVERY_BAR_MS: u64 = 30_000;

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether every promise was kept.
    pub verdict: Judgement,
    /// How many times an event was lost.
    pub lost: u64,
    /// How many times an effect happened more than once.
    pub doubled: u64,
    /// How many times events of one aggregate came in the wrong order.
    pub out_of_order: u64,
    /// How many times something else did not hold that must.
    pub other: u64,
    /// Each of these.
    pub violations: Vec<ViolationRecord>,
    /// Counts over the whole history.
    pub totals: RunTotals,
    /// The longest recovery of any fault, in ms; `None` when no recovery was seen.
    pub longest_recovery_ms: Option<u64>,
    /// From the last heal until the healthy backlog was zero, in ms; `None`: it never was.
    pub backlog_zero_after_last_heal_ms: Option<u64>,
    /// Whether every promise was kept, every fault survived, and the backlog gone within
    /// [`RECOVERY_BAR_MS`].
    pub bar_met: bool,
    /// Why the bar was not met; empty when it was.
    pub reasons: Vec<String>,
}

/// Whether every promise was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// Nothing was found.
    Clean,
    /// At least one violation was found.
    Broken,
}

/// Counts over the whole history of a run, over all contexts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunTotals {
    /// Rows of the outboxes.
    pub committed: u64,
    /// Of these, published.
    pub published: u64,
    /// Of these, parked or held.
    pub parked: u64,
    /// Messages in the event streams.
    pub streamed: u64,
    /// Rows of the inboxes.
    pub recorded: u64,
    /// Of these, processed.
    pub processed: u64,
    /// Of these, dead.
    pub dead: u64,
    /// Effects of the handlers.
    pub effects: u64,
    /// Dead letters.
    pub letters: u64,
}

impl RunTotals {
    /// Each count with its name, in the order of the data's way.
    pub(super) fn named(&self) -> [(&'static str, u64); 9] {
        [
            ("events committed to the outboxes", self.committed),
            ("of these published", self.published),
            ("of these parked or held", self.parked),
            ("messages in the event streams", self.streamed),
            ("rows recorded in the inboxes", self.recorded),
            ("of these processed", self.processed),
            ("of these dead", self.dead),
            ("effects of the handlers", self.effects),
            ("dead letters", self.letters),
        ]
    }
}

impl Outcome {
    /// Judges a run: counts the violations, and says whether the bar was met and if not, why.
    ///
    /// `backlog_zero_after_last_heal_ms` is what was observed; it is not asked for when no fault was
    /// injected. A fault that this machine does not allow does not count against the bar.
    #[must_use]
    pub fn judge(
        violations: Vec<ViolationRecord>,
        totals: RunTotals,
        faults: &[FaultRecord],
        backlog_zero_after_last_heal_ms: Option<u64>,
    ) -> Self {
        let count = |promise| violations.iter().filter(|found| found.promise == promise).count() as u64;
        let mut outcome = Self {
            verdict: if violations.is_empty() { Judgement::Clean } else { Judgement::Broken },
            lost: count(Promise::Lost),
            doubled: count(Promise::Doubled),
            out_of_order: count(Promise::OutOfOrder),
            other: count(Promise::Other),
            violations,
            totals,
            longest_recovery_ms: faults.iter().filter_map(|fault| fault.recovered_after_ms).max(),
            backlog_zero_after_last_heal_ms,
            bar_met: false,
            reasons: Vec::new(),
        };
        outcome.reasons = outcome.shortfalls(faults);
        outcome.bar_met = outcome.reasons.is_empty();
        outcome
    }

    /// Everything that keeps the run below the bar.
    fn shortfalls(&self, faults: &[FaultRecord]) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.totals.committed == 0 {
            reasons.push("no event was committed: the run shows nothing".to_owned());
        }
        reasons.extend(self.broken_promises());
        reasons.extend(faults.iter().enumerate().filter_map(failure));
        if faults.iter().any(FaultRecord::was_injected) {
            reasons.extend(slow_drain(self.backlog_zero_after_last_heal_ms));
        }
        reasons
    }

    fn broken_promises(&self) -> impl Iterator<Item = String> {
        [
            (self.lost, "lost"),
            (self.doubled, "done twice"),
            (self.out_of_order, "out of order"),
            (self.other, "broken otherwise"),
        ]
        .into_iter()
        .filter(|(times, _)| *times > 0)
        .map(|(times, what)| format!("{} {what}", grouped(times)))
    }
}

fn failure((index, fault): (usize, &FaultRecord)) -> Option<String> {
    match &fault.outcome {
        FaultOutcome::Survived | FaultOutcome::NotAllowed(_) => None,
        FaultOutcome::Failed(why) => Some(format!("fault {} ({}): {why}", index + 1, fault.label())),
    }
}

fn slow_drain(backlog_zero_ms: Option<u64>) -> Option<String> {
    match backlog_zero_ms {
        Some(after_ms) if after_ms <= RECOVERY_BAR_MS => None,
        Some(after_ms) => Some(format!(
            "the healthy backlog was zero {} after the last heal; the bar is {}",
            span(after_ms),
            span(RECOVERY_BAR_MS)
        )),
        None => Some(format!(
            "the healthy backlog was not seen at zero after the last heal; the bar is {}",
            span(RECOVERY_BAR_MS)
        )),
    }
}
