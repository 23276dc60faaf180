//! Handlers that answer as no HTTP server should: whatever comes is some answer, in bounded time and
//! memory, and says nothing about the next call.
#![allow(clippy::unwrap_used)]

#[path = "bad_input/answers.rs"]
mod answers;
#[path = "bad_input/chance.rs"]
mod chance;
#[path = "bad_input/meaning.rs"]
mod meaning;
#[path = "bad_input/server.rs"]
mod server;

use proptest::test_runner::{Config, FileFailurePersistence, RngSeed};
use sea_mq_dispatch::{BatchOutcome, Outcome};

/// The same cases each time, unless `PROPTEST_RNG_SEED` says otherwise; more of them with `PROPTEST_CASES`.
fn config() -> Config {
    let told = Config::default();
    let rng_seed = if told.rng_seed == RngSeed::Random { RngSeed::Fixed(5) } else { told.rng_seed };
    let kept = FileFailurePersistence::Direct("tests/bad_input.regressions");
    Config { rng_seed, failure_persistence: Some(Box::new(kept)), ..told }
}

/// What an operator is told of an outcome fits into a header and a line of the log.
fn is_stated(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Processed => true,
        Outcome::Poison(error) | Outcome::NotReached(error) => is_printable(error),
        Outcome::Transient { error, wait, suspect: _ } => {
            is_printable(error) && wait.is_none_or(|wait| wait.as_secs() <= 24 * 60 * 60)
        }
    }
}

fn is_stated_for_each(outcome: &BatchOutcome, events: usize) -> bool {
    match outcome {
        BatchOutcome::Each(outcomes) => outcomes.len() == events && outcomes.iter().all(is_stated),
        BatchOutcome::Whole(outcome) => is_stated(outcome),
        BatchOutcome::Singly { why } => is_printable(why),
    }
}

fn is_printable(error: &str) -> bool {
    !error.is_empty() && error.len() <= 1000 && !error.contains(char::is_control)
}
