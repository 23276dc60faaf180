//! Each mutation at random places of many histories.

use std::collections::BTreeMap;

use super::super::{Violation, check};
use super::generated::{Dice, good, repaired};
use super::mutation::{Expected, MUTATIONS};
use crate::history::History;

const SEEDS: u64 = 24;
const EVENTS: usize = 200;

#[test]
fn good_histories_are_clean() {
    for seed in 0..SEEDS {
        for history in [good(seed, EVENTS), repaired(seed, EVENTS)] {
            let verdict = check(&history);
            assert!(verdict.is_clean(), "seed {seed}: {verdict}");
            let (totals, held) = (verdict.totals, verdict.totals.committed - verdict.totals.published);
            assert_eq!(totals.recorded, totals.processed + totals.dead);
            assert_eq!(totals.recorded, totals.committed - held);
            assert!(totals.dead > 0 && totals.letters > totals.dead && totals.committed > EVENTS);
        }
        assert!(repaired(seed, EVENTS).replayed.len() > 5);
    }
}

#[test]
fn every_mutation_is_named_and_nothing_else() {
    let mut applied: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in 0..SEEDS {
        let mut dice = Dice::new(seed ^ 0xd1ce);
        for history in [good(seed, EVENTS), repaired(seed, EVENTS)] {
            for (name, mutate) in MUTATIONS {
                let mut spoiled = history.clone();
                if let Some(expected) = mutate(&mut spoiled, &mut dice) {
                    *applied.entry(name).or_default() += 1;
                    judge(&format!("{name}, seed {seed}"), &spoiled, &expected);
                }
            }
        }
    }
    for (name, _) in MUTATIONS {
        assert!(applied.get(name).is_some_and(|times| *times >= 8), "{name}: {applied:?}");
    }
}

fn judge(name: &str, spoiled: &History, expected: &Expected) {
    let verdict = check(spoiled);
    let is_expected = |violation: &Violation| {
        let named = violation.events();
        violation.kind() == expected.kind && (named.is_empty() || named.contains(&expected.event))
    };
    let (_, story) = verdict
        .told()
        .find(|(violation, _)| is_expected(violation))
        .unwrap_or_else(|| panic!("{name}: {} of {} is missing: {verdict}", expected.kind, expected.event));
    assert!(expected.event.is_nil() || story.contains(&expected.event.to_string()), "{name}: {story}");
    for violation in &verdict.violations {
        let named = violation.events();
        let related = named.iter().any(|id| *id == expected.event || expected.also.contains(id));
        assert!(related || is_expected(violation), "{name}: {violation} is unrelated to {}", expected.event);
    }
}
