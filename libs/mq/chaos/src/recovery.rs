//! How long the system took to recover from each fault, as far as that was to be seen.

use crate::report::{FaultRecord, RECOVERY_BAR_MS, Sample, clock, span};

/// The last part of the time that a recovery may take: with a burst in it the backlog is high for a moment.
const SETTLED_MS: u64 = 10_000;

/// For so long the backlog has to be normal: what comes later is a burst's.
const STEADY_MS: u64 = 5_000;

/// Notes for each fault how long after its heal the backlog was normal: at most `normal` healthy events for
/// five seconds, or until the next fault. `None` when it was not before that one came.
pub(crate) fn note_recoveries(faults: &mut [FaultRecord], samples: &[Sample], normal: u64) {
    let begins: Vec<u64> = faults.iter().map(|fault| fault.injected_at_ms).collect();
    for fault in faults.iter_mut().filter(|fault| fault.was_injected()) {
        let next = begins.iter().copied().filter(|at| *at > fault.healed_at_ms).min().unwrap_or(u64::MAX);
        let after: Vec<&Sample> =
            samples.iter().filter(|sample| (fault.healed_at_ms..next).contains(&sample.at_ms)).collect();
        let is_steady = |from: &Sample| {
            let during = after.iter().skip_while(|sample| sample.at_ms < from.at_ms);
            let mut during = during.take_while(|sample| sample.at_ms < from.at_ms + STEADY_MS);
            during.all(|sample| sample.healthy_backlog <= normal)
        };
        let recovered = after.iter().find(|sample| is_steady(sample));
        fault.recovered_after_ms = recovered.map(|sample| sample.at_ms - fault.healed_at_ms);
    }
}

/// A sentence for each fault after which the healthy backlog was not normal in time, although the system was
/// left alone with it.
pub(crate) fn slow_recoveries(faults: &[FaultRecord], samples: &[Sample], normal: u64) -> Vec<String> {
    let left_alone = (0..faults.len()).filter(|index| was_left_alone(faults, *index));
    left_alone.filter_map(|index| slow_recovery(&faults[index], samples, normal)).collect()
}

/// When it was due to be recovered from.
fn due_ms(fault: &FaultRecord) -> u64 {
    fault.healed_at_ms.saturating_add(RECOVERY_BAR_MS)
}

/// No other fault lasted or came until it was due. The last one never was: what comes after the last heal
/// has a bar of its own.
fn was_left_alone(faults: &[FaultRecord], index: usize) -> bool {
    let fault = &faults[index];
    let due = due_ms(fault);
    let others = || faults.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, other)| other);
    let injected = || others().filter(|other| other.was_injected());
    fault.was_injected()
        && injected().all(|other| other.healed_at_ms <= fault.healed_at_ms || other.injected_at_ms >= due)
        && injected().any(|other| other.injected_at_ms >= due)
}

fn slow_recovery(fault: &FaultRecord, samples: &[Sample], normal: u64) -> Option<String> {
    let due = due_ms(fault);
    let end = samples.iter().filter(|sample| (due - SETTLED_MS..=due).contains(&sample.at_ms));
    let backlogs: Vec<u64> = end.map(|sample| sample.healthy_backlog).collect();
    if backlogs.iter().any(|backlog| *backlog <= normal) {
        return None;
    }
    let backlog = backlogs.last().map_or_else(|| "not to be seen".to_owned(), u64::to_string);
    Some(format!(
        "{} at {}: {} after its heal the healthy backlog was {backlog}; up to {normal} is normal",
        fault.label(),
        clock(fault.injected_at_ms),
        span(RECOVERY_BAR_MS)
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{note_recoveries, slow_recoveries};
    use crate::report::{FaultOutcome, FaultRecord, Sample};

    fn fault(injected_at_ms: u64, healed_at_ms: u64) -> FaultRecord {
        FaultRecord {
            kind: "kill-worker".to_owned(),
            target: String::new(),
            injected_at_ms,
            healed_at_ms,
            recovered_after_ms: None,
            note: String::new(),
            outcome: FaultOutcome::Survived,
        }
    }

    #[test]
    fn a_recovery_is_seen_between_its_heal_and_the_next_fault() {
        let mut faults = [fault(1_000, 2_000), fault(6_000, 7_000)];
        let seen = |at_ms, healthy_backlog| Sample { at_ms, healthy_backlog, ..Sample::default() };
        let samples = [
            seen(1_500, 5),
            seen(2_500, 900),
            seen(4_000, 10),
            seen(6_500, 2),
            seen(7_500, 900),
            seen(9_000, 800),
        ];
        note_recoveries(&mut faults, &samples, 10);
        assert_eq!(faults[0].recovered_after_ms, Some(2_000));
        assert_eq!(faults[1].recovered_after_ms, None);
    }

    #[test]
    fn a_burst_after_a_recovery_is_none_of_its_time_and_a_short_calm_is_none() {
        let high = [3, 4, 6, 15];
        let backlog = |second| if high.contains(&second) { 900 } else { 10 };
        let samples: Vec<Sample> = (0..30)
            .map(|second| Sample {
                at_ms: second * 1_000,
                healthy_backlog: backlog(second),
                ..Sample::default()
            })
            .collect();
        let mut faults = [fault(1_000, 2_000), fault(25_000, 26_000)];
        note_recoveries(&mut faults, &samples, 10);
        assert_eq!(faults[0].recovered_after_ms, Some(5_000));
    }

    /// A fault at 10 s that is healed at 12 s; the backlog is high until `high_until_ms` and in a burst.
    fn slow(high_until_ms: u64, others: &[FaultRecord]) -> Vec<String> {
        let faults = [&[fault(10_000, 12_000)], others].concat();
        let backlog = |at_ms| if at_ms < high_until_ms || at_ms == 38_000 { 900 } else { 10 };
        let seen = |at_ms| Sample { at_ms, healthy_backlog: backlog(at_ms), ..Sample::default() };
        let samples: Vec<Sample> = (0..90).map(|second| seen(second * 1_000)).collect();
        slow_recoveries(&faults, &samples, 10)
    }

    #[test]
    fn a_recovery_that_took_too_long_is_told_with_fault_time_and_backlog() {
        let next = fault(42_000, 43_000);
        let told = slow(60_000, std::slice::from_ref(&next));
        assert_eq!(
            told,
            ["kill-worker at 0:10: 30.0 s after its heal the healthy backlog was 900; up to 10 is normal"]
        );
        assert!(slow(41_000, std::slice::from_ref(&next)).is_empty(), "in time, but for a burst");
        let unseen = slow_recoveries(&[fault(10_000, 12_000), next], &[], 10);
        assert!(unseen[0].contains("not to be seen"), "{unseen:?}");
    }

    #[test]
    fn nothing_is_said_of_a_recovery_that_was_not_left_alone() {
        assert!(slow(60_000, &[]).is_empty(), "the last one");
        assert!(slow(60_000, &[fault(41_000, 43_000)]).is_empty(), "the next came early");
        assert!(slow(60_000, &[fault(5_000, 20_000), fault(49_000, 50_000)]).is_empty(), "one before lasted");
        assert_eq!(slow(60_000, &[fault(5_000, 11_000), fault(50_000, 51_000)]).len(), 1);
        let refused =
            FaultRecord { outcome: FaultOutcome::NotAllowed(String::new()), ..fault(20_000, 20_000) };
        assert_eq!(slow(60_000, &[refused, fault(50_000, 51_000)]).len(), 1);
    }
}
