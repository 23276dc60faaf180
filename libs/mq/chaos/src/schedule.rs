//! Which fault when: all of it follows from the seed.

use std::collections::HashMap;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::FaultKind;

/// The time that one fault and the recovery from it have, unless asked otherwise.
pub const DEFAULT_EVERY: Duration = Duration::from_secs(12);
/// A fault begins at most this long after its slot does.
const MOST_LATE: Duration = Duration::from_millis(1_500);

/// One fault of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Since the beginning of the faults.
    pub at: Duration,
    /// What.
    pub kind: FaultKind,
    /// Which of those that it may befall, by a number taken modulo their count: the next fault of the same
    /// kind has the next number, so it befalls another one where there are several.
    pub target: usize,
    /// A number for whatever else is to be chosen.
    pub salt: u64,
    /// How long until it is healed.
    pub lasts: Duration,
}

/// The faults of a run of this length: one in each `every`, each kind once before any comes again.
#[must_use]
pub fn schedule(seed: u64, length: Duration, every: Duration, kinds: &[FaultKind]) -> Vec<Planned> {
    if kinds.is_empty() || every.is_zero() {
        return Vec::new();
    }
    let mut random = SmallRng::seed_from_u64(seed);
    let slots = usize::try_from(length.as_millis() / every.as_millis().max(1)).unwrap_or(usize::MAX);
    let mut planned = Vec::with_capacity(slots);
    let mut round: Vec<FaultKind> = Vec::new();
    let mut targets: HashMap<FaultKind, usize> = HashMap::new();
    let mut begins = Duration::ZERO;
    while planned.len() < slots {
        let kind = match round.pop() {
            Some(kind) => kind,
            None => {
                round = kinds.to_vec();
                round.shuffle(&mut random);
                continue;
            }
        };
        let target = targets.entry(kind).or_insert_with(|| random.random_range(0..1_000));
        planned.push(plan(&mut random, kind, *target, begins, every));
        *target += 1;
        begins += every;
    }
    planned
}

fn plan(random: &mut SmallRng, kind: FaultKind, target: usize, begins: Duration, every: Duration) -> Planned {
    let late = MOST_LATE.min(every / 4).as_millis();
    let late = random.random_range(0..=u64::try_from(late).unwrap_or(0));
    let lasts = Duration::from_millis(random.random_range(kind.lasts_ms()));
    Planned {
        at: begins + Duration::from_millis(late),
        kind,
        target,
        salt: random.random(),
        // The rest of the slot is for recovering.
        lasts: lasts.min(every / 2 + every / 4),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::{BTreeSet, HashMap};
    use std::time::Duration;

    use proptest::prelude::*;
    use proptest::sample::subsequence;

    use super::{DEFAULT_EVERY, schedule};
    use crate::FaultKind;

    #[test]
    fn the_same_seed_gives_the_same_schedule_and_another_another() {
        let of = |seed| schedule(seed, Duration::from_secs(600), DEFAULT_EVERY, &FaultKind::ALL);
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }

    #[test]
    fn eleven_minutes_have_every_kind_twice_and_a_slot_for_each() {
        let planned = schedule(1, Duration::from_secs(660), DEFAULT_EVERY, &FaultKind::ALL);
        let mut times: HashMap<FaultKind, usize> = HashMap::new();
        for fault in &planned {
            *times.entry(fault.kind).or_default() += 1;
        }
        assert_eq!(planned.len(), 55);
        assert!(FaultKind::ALL.iter().all(|kind| (2..=3).contains(&times[kind])), "{times:?}");
        for (first, second) in planned.iter().zip(planned.iter().skip(1)) {
            assert!(first.at + first.lasts < second.at, "{first:?} runs into {second:?}");
        }
    }

    #[test]
    fn chosen_kinds_only_and_none_in_no_time() {
        let only = [FaultKind::KillNode];
        let planned = schedule(3, Duration::from_secs(60), Duration::from_secs(20), &only);
        assert_eq!(planned.len(), 3);
        assert!(planned.iter().all(|fault| fault.kind == FaultKind::KillNode));
        assert!(schedule(3, Duration::ZERO, DEFAULT_EVERY, &FaultKind::ALL).is_empty());
        assert!(schedule(3, Duration::from_secs(60), DEFAULT_EVERY, &[]).is_empty());
    }

    proptest! {
        #[test]
        fn faults_of_a_kind_take_their_targets_in_turn(
            seed: u64,
            minutes in 1_u64..60,
            every in 5_u64..30,
            kinds in subsequence(FaultKind::ALL.to_vec(), 1..=FaultKind::ALL.len()),
            several in 2_usize..=6,
        ) {
            let (length, every) = (Duration::from_secs(minutes * 60), Duration::from_secs(every));
            let planned = schedule(seed, length, every, &kinds);
            for kind in kinds {
                let of_kind = planned.iter().filter(|fault| fault.kind == kind);
                let targets: Vec<usize> = of_kind.map(|fault| fault.target % several).collect();
                for turn in targets.windows(several) {
                    prop_assert_eq!(turn.iter().collect::<BTreeSet<_>>().len(), several, "{}: {:?}", kind, targets);
                }
                for pair in targets.windows(2) {
                    prop_assert_ne!(pair[0], pair[1], "{}: {:?}", kind, targets);
                }
            }
        }
    }
}
