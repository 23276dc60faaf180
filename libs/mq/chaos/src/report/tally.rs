//! Faults by kind, and what happened around each.

use super::record::{FaultOutcome, FaultRecord, Report, Sample};

/// All faults of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) kind: String,
    pub(super) injected: u64,
    pub(super) survived: u64,
    pub(super) failed: u64,
    pub(super) not_allowed: u64,
    /// In ms.
    pub(super) longest_recovery_ms: Option<u64>,
    /// Healthy events.
    pub(super) worst_backlog: Option<u64>,
}

/// The kinds in the order of their first injection.
pub(super) fn tallies(report: &Report) -> Vec<Tally> {
    let mut tallies: Vec<Tally> = Vec::new();
    for fault in &report.faults {
        let at = tallies.iter().position(|tally| tally.kind == fault.kind).unwrap_or_else(|| {
            tallies.push(Tally { kind: fault.kind.clone(), ..Tally::default() });
            tallies.len() - 1
        });
        tallies[at].add(fault, worst_backlog(fault, &report.samples));
    }
    tallies
}

impl Tally {
    fn add(&mut self, fault: &FaultRecord, worst_backlog: Option<u64>) {
        match fault.outcome {
            FaultOutcome::Survived => self.survived += 1,
            FaultOutcome::Failed(_) => self.failed += 1,
            FaultOutcome::NotAllowed(_) => self.not_allowed += 1,
        }
        self.injected += u64::from(fault.was_injected());
        self.longest_recovery_ms = self.longest_recovery_ms.max(fault.recovered_after_ms);
        self.worst_backlog = self.worst_backlog.max(worst_backlog);
    }
}

/// The highest backlog of healthy events from a fault's injection to its recovery, or to the end of the
/// run when none was seen. Other faults of that time have their part in it.
pub(super) fn worst_backlog(fault: &FaultRecord, samples: &[Sample]) -> Option<u64> {
    if !fault.was_injected() {
        return None;
    }
    let until_ms = fault.recovered_after_ms.map_or(u64::MAX, |_| fault.settled_at_ms());
    let first = samples.partition_point(|sample| sample.at_ms < fault.injected_at_ms);
    let around = samples[first..].iter().take_while(|sample| sample.at_ms <= until_ms);
    around.map(|sample| sample.healthy_backlog).max()
}
