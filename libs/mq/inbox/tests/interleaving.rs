//! Attempts interleaved on a real Postgres, statement by statement: zombies, lost answers, duplicates,
//! dying workers, late statements. Whatever happens, the effects are the committed events, exactly.
//!
//! `PROPTEST_CASES` sets how many schedules are played.
#![allow(clippy::unwrap_used)]

#[path = "interleaving/arena.rs"]
mod arena;
#[path = "interleaving/errand.rs"]
mod errand;
#[path = "interleaving/handler.rs"]
mod handler;
#[path = "interleaving/handling.rs"]
mod handling;
#[path = "interleaving/healing.rs"]
mod healing;
#[path = "interleaving/ingest.rs"]
mod ingest;
#[path = "interleaving/mutant.rs"]
mod mutant;
#[path = "interleaving/producer.rs"]
mod producer;
#[path = "interleaving/schedule.rs"]
mod schedule;
#[path = "interleaving/situation.rs"]
mod situation;
#[path = "interleaving/verdict.rs"]
mod verdict;
#[path = "interleaving/worker.rs"]
mod worker;
#[path = "interleaving/world.rs"]
mod world;

use std::cell::RefCell;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use tokio::runtime::{Builder, Runtime};

use arena::Arena;
use mutant::Mutant;
use schedule::{Schedule, schedules};
use world::play;

const CASES: u32 = 150;

fn config() -> Config {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    Config { cases, failure_persistence: None, max_shrink_time: 60_000, ..Config::default() }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Plays schedules until one breaks a promise.
fn play_many(
    runner: &mut TestRunner,
    runtime: &Runtime,
    arena: &RefCell<Arena>,
    mutant: Option<Mutant>,
) -> Result<(), TestError<Schedule>> {
    runner.run(&schedules(), |schedule| {
        let played = runtime.block_on(play(&mut arena.borrow_mut(), &schedule, mutant));
        played.map_err(TestCaseError::fail)
    })
}

#[test]
fn effects_are_the_committed_events_exactly() {
    let runtime = runtime();
    let arena = RefCell::new(runtime.block_on(Arena::new()));
    let played = play_many(&mut TestRunner::new(config()), &runtime, &arena, None);
    if let Err(error) = played {
        panic!("{error}");
    }
}

/// A property that broken code passes says nothing. The schedules are the same in each run.
#[test]
fn each_broken_variant_is_noticed_within_as_many_schedules() {
    let runtime = runtime();
    let arena = RefCell::new(runtime.block_on(Arena::new()));
    for mutant in Mutant::ALL {
        let mends = runtime.block_on(mutant.apply(&mut arena.borrow_mut()));
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let config = Config { cases: CASES, max_shrink_iters: 0, ..config() };
        let played = play_many(&mut TestRunner::new_with_rng(config, rng), &runtime, &arena, Some(mutant));
        assert!(matches!(played, Err(TestError::Fail(..))), "{mutant:?} goes unnoticed: {played:?}");
        if let Some(original) = mends {
            runtime.block_on(arena.borrow_mut().run(&original));
        }
    }
}
