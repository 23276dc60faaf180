//! Which walks there are: pure.

use std::fmt;

use super::act::{Act, Action};
use super::catalogue::{FAILPOINTS, Failpoint, Side, Way};

/// Workers of one side that live one after the other, each through its acts; then one more carries on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// The lives, with what happens in each.
    pub lives: Vec<Vec<Act>>,
    /// How many events the handler takes in one call, when it takes batches.
    pub batches: Option<usize>,
}

/// Events in a call where calls have several.
const BATCH: usize = 20;

impl Walk {
    /// One life in which this happens.
    #[must_use]
    pub fn of(acts: Vec<Act>) -> Self {
        let batched = acts.iter().any(|act| act.failpoint.way == Way::Batch);
        Self { lives: vec![acts], batches: batched.then_some(BATCH) }
    }

    /// Worker after worker dies, each at the next of these failpoints. But the first, each has an
    /// operation fail where the one before it died: so every two neighbours are a pair of deaths, and a
    /// failure with a death after it.
    fn chain(failpoints: &[Failpoint]) -> Self {
        let first = failpoints.iter().take(1).map(|first| vec![first.act(Action::Crash)]);
        let pairs = failpoints.windows(2).map(|pair| pair_in_one_life(pair[0], pair[1]));
        let batched = failpoints.iter().any(|failpoint| failpoint.way == Way::Batch);
        Self { lives: first.chain(pairs).collect(), batches: batched.then_some(BATCH) }
    }

    /// Whether it touches a failpoint whose name contains this.
    #[must_use]
    pub fn touches(&self, name: &str) -> bool {
        self.lives.iter().flatten().any(|act| act.failpoint.name.contains(name))
    }

    pub(super) fn side(&self) -> Side {
        self.lives.iter().flatten().next().map_or(Side::Command, |act| act.failpoint.side)
    }
}

fn pair_in_one_life(first: Failpoint, second: Failpoint) -> Vec<Act> {
    let mut acts = vec![first.act(Action::Error), second.act(Action::Crash)];
    if ends_its_process(first) {
        acts.remove(0);
    }
    acts
}

/// After this nothing more happens in the process, whether it failed or not.
#[must_use]
pub fn ends_its_process(failpoint: Failpoint) -> bool {
    match failpoint.way {
        Way::Leaving => true,
        Way::Load | Way::Batch | Way::Arriving | Way::CatchingUp | Way::HandingOver | Way::Failing => false,
    }
}

/// The failpoints that workers pass.
#[must_use]
pub fn of_workers() -> Vec<Failpoint> {
    let of_workers = |failpoint: &&Failpoint| failpoint.side != Side::Command;
    FAILPOINTS.iter().filter(of_workers).copied().collect()
}

/// Each of these happens at each failpoint, alone; around calls also with several events in a call.
#[must_use]
pub fn alone(action: Action) -> Vec<Walk> {
    let mut walks = Vec::new();
    for failpoint in of_workers() {
        let mut walk = Walk::of(vec![failpoint.act(action)]);
        // A predecessor that died with a batch in hand leaves messages that must be read again.
        if failpoint.way == Way::CatchingUp
            && let Some(pulled) = Failpoint::named("ingest.pull.after")
        {
            walk.lives.insert(0, vec![pulled.act(Action::Crash)]);
        }
        let batched = Walk { batches: Some(BATCH), ..walk.clone() };
        if failpoint.name.starts_with("dispatch.") && walk.batches.is_none() {
            walks.push(batched);
        }
        walks.push(walk);
    }
    walks
}

/// At each failpoint an operation fails, and when the same is passed again, the process freezes.
#[must_use]
pub fn failing_then_frozen() -> Vec<Walk> {
    let walk = |failpoint: Failpoint| {
        let acts = [failpoint.act(Action::Error), failpoint.act(Action::Freeze)];
        match ends_its_process(failpoint) {
            true => acts.map(|act| Walk::of(vec![act])).to_vec(),
            false => vec![Walk::of(acts.to_vec())],
        }
    };
    of_workers().into_iter().flat_map(walk).collect()
}

/// Pairs in which each failpoint stands once first and once second, chosen by a seed.
#[must_use]
pub fn some_pairs(seed: u64) -> Vec<Walk> {
    sides().into_iter().flat_map(|side| chains(&shuffled(side, seed), 1)).collect()
}

/// Every ordered pair of different failpoints of the same side.
#[must_use]
pub fn all_pairs() -> Vec<Walk> {
    sides().into_iter().flat_map(|side| (1..side.len()).flat_map(move |step| chains(&side, step))).collect()
}

fn sides() -> [Vec<Failpoint>; 2] {
    [Side::Producer, Side::Consumer]
        .map(|side| of_workers().into_iter().filter(|failpoint| failpoint.side == side).collect())
}

/// The pairs (n, n + step) around the circle of failpoints, as chains of bounded length.
fn chains(failpoints: &[Failpoint], step: usize) -> Vec<Walk> {
    const PAIRS: usize = 6;
    let (count, mut begun) = (failpoints.len(), vec![false; failpoints.len()]);
    let mut walks = Vec::new();
    for start in 0..count {
        let mut circle = vec![start];
        while !begun[circle[circle.len() - 1]] {
            let at = circle[circle.len() - 1];
            begun[at] = true;
            circle.push((at + step) % count);
        }
        for from in (0..circle.len() - 1).step_by(PAIRS) {
            let to = (from + PAIRS).min(circle.len() - 1);
            let part: Vec<Failpoint> = circle[from..=to].iter().map(|n| failpoints[*n]).collect();
            walks.push(Walk::chain(&part));
        }
    }
    walks
}

fn shuffled(mut failpoints: Vec<Failpoint>, seed: u64) -> Vec<Failpoint> {
    // FNV-1a: the same order everywhere and always.
    let hash = |name: &str| {
        let start = 0xcbf2_9ce4_8422_2325_u64 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        name.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
    };
    failpoints.sort_by_key(|failpoint| hash(failpoint.name));
    failpoints
}

impl fmt::Display for Walk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let life = |acts: &Vec<Act>| acts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", then ");
        let lives = self.lives.iter().map(life).collect::<Vec<_>>().join("; next worker: ");
        match self.batches {
            Some(most) => write!(f, "{lives} (up to {most} events in a call)"),
            None => f.write_str(&lives),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::{
        Walk, all_pairs, alone, ends_its_process, failing_then_frozen, of_workers, sides, some_pairs,
    };
    use crate::failpoints::{Action, Failpoint};

    /// How often each two died one after the other; how often one failed and then the other died.
    fn pairs(walks: &[Walk]) -> [BTreeMap<(&'static str, &'static str), usize>; 2] {
        let (mut deaths, mut failures) = (BTreeMap::new(), BTreeMap::new());
        for walk in walks {
            for lives in walk.lives.windows(2) {
                let died = |life: usize| lives[life].last().map(|act| act.failpoint.name);
                if let (Some(first), Some(second)) = (died(0), died(1)) {
                    *deaths.entry((first, second)).or_default() += 1;
                }
                if let [first, second] = lives[1].as_slice() {
                    *failures.entry((first.failpoint.name, second.failpoint.name)).or_default() += 1;
                }
            }
        }
        [deaths, failures]
    }

    fn names(failpoints: &[Failpoint]) -> BTreeSet<&'static str> {
        failpoints.iter().map(|failpoint| failpoint.name).collect()
    }

    #[test]
    fn in_some_pairs_each_stands_once_first_and_once_second() {
        for seed in 0..20 {
            let [deaths, failures] = pairs(&some_pairs(seed));
            let count = of_workers().len();
            assert_eq!((deaths.len(), deaths.values().sum::<usize>()), (count, count));
            assert_eq!(deaths.keys().map(|pair| pair.0).collect::<BTreeSet<_>>(), names(&of_workers()));
            assert_eq!(deaths.keys().map(|pair| pair.1).collect::<BTreeSet<_>>(), names(&of_workers()));
            let ends = of_workers().into_iter().filter(|failpoint| ends_its_process(*failpoint)).count();
            assert_eq!(failures.len(), count - ends);
        }
        assert_ne!(some_pairs(1), some_pairs(2));
    }

    #[test]
    fn all_pairs_are_there_once() {
        let [deaths, _] = pairs(&all_pairs());
        let expected: usize = sides().iter().map(|side| side.len() * (side.len() - 1)).sum();
        assert_eq!((deaths.len(), deaths.values().sum::<usize>()), (expected, expected));
        assert!(deaths.keys().all(|(first, second)| first != second));
    }

    #[test]
    fn every_failpoint_meets_every_action() {
        for action in [Action::Crash, Action::Error, Action::Delay, Action::Freeze] {
            let met: Vec<Failpoint> =
                alone(action).iter().filter_map(|walk| Some(walk.lives.last()?.last()?.failpoint)).collect();
            assert_eq!(names(&met), names(&of_workers()));
        }
        for action in [Action::Error, Action::Freeze] {
            let walks = failing_then_frozen();
            let acts = walks.iter().flat_map(|walk| walk.lives.iter().flatten());
            let met: Vec<Failpoint> =
                acts.filter(|act| act.action == action).map(|act| act.failpoint).collect();
            assert_eq!(names(&met), names(&of_workers()));
        }
    }
}
