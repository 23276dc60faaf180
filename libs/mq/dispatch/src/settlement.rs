use std::time::Duration;

use crate::answer::{Outcome, printable};
use crate::backoff::Backoff;

/// What a subscription does with failures.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Attempts after which it gives up.
    pub max_deliver: i32,
    /// Wait between attempts.
    pub backoff: Backoff,
}

/// What is written to the inbox for one outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Mark processed.
    Processed,
    /// Give up: dead-letter.
    GiveUp {
        /// `poison` or `max_deliver`.
        reason: &'static str,
        /// The last error.
        error: String,
    },
    /// Wait and try again.
    Retry {
        /// From now.
        delay: Duration,
        /// The last error.
        error: String,
        /// Call it alone next time.
        suspect: bool,
    },
    /// The handler was never reached: the attempt does not count.
    GiveBack {
        /// Why; empty keeps the last error.
        error: String,
    },
}

/// What follows from an outcome after `attempts` attempts; `jitter` in 0..1.
#[must_use]
pub fn settlement(outcome: Outcome, attempts: i32, policy: &Policy, jitter: f64) -> Settlement {
    match outcome {
        Outcome::Processed => Settlement::Processed,
        Outcome::Poison(error) => Settlement::GiveUp { reason: "poison", error },
        Outcome::NotReached(error) => Settlement::GiveBack { error },
        Outcome::Transient { error, .. } if attempts >= policy.max_deliver => {
            Settlement::GiveUp { reason: "max_deliver", error }
        }
        Outcome::Transient { error, wait, suspect } => Settlement::Retry {
            delay: wait.unwrap_or_else(|| policy.backoff.after(attempts, jitter)),
            error,
            suspect,
        },
    }
}

/// What follows for an attempt whose worker died before it was settled: it counts.
#[must_use]
pub fn lost_attempt(attempts: i32, policy: &Policy, jitter: f64) -> Settlement {
    let error = printable("the worker ended before the handler's answer was settled");
    settlement(Outcome::Transient { error, wait: None, suspect: true }, attempts, policy, jitter)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Policy, Settlement, lost_attempt, settlement};
    use crate::answer::Outcome;
    use crate::backoff::Backoff;

    const POLICY: Policy = Policy {
        max_deliver: 3,
        backoff: Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(8) },
    };

    fn transient(wait: Option<Duration>) -> Outcome {
        Outcome::Transient { error: "e".to_owned(), wait, suspect: false }
    }

    #[test]
    fn attempts_are_used_up_exactly_at_the_limit() {
        let retry = settlement(transient(None), 2, &POLICY, 0.5);
        assert!(matches!(retry, Settlement::Retry { delay, .. } if delay == Duration::from_secs(2)));
        for attempts in [3, 4] {
            let end = settlement(transient(None), attempts, &POLICY, 0.5);
            assert!(matches!(end, Settlement::GiveUp { reason: "max_deliver", .. }));
        }
    }

    #[test]
    fn waits_as_told() {
        let told = Some(Duration::from_secs(77));
        let retry = settlement(transient(told), 1, &POLICY, 0.5);
        assert!(matches!(retry, Settlement::Retry { delay, .. } if Some(delay) == told));
    }

    #[test]
    fn never_reached_is_never_given_up() {
        let back = settlement(Outcome::NotReached("refused".to_owned()), 99, &POLICY, 0.5);
        assert!(matches!(back, Settlement::GiveBack { .. }));
    }

    #[test]
    fn poison_is_given_up_at_once_and_success_always_settles() {
        let poison = settlement(Outcome::Poison("no".to_owned()), 1, &POLICY, 0.5);
        assert!(matches!(poison, Settlement::GiveUp { reason: "poison", .. }));
        assert_eq!(settlement(Outcome::Processed, 99, &POLICY, 0.5), Settlement::Processed);
    }

    #[test]
    fn a_lost_attempt_counts_and_is_suspect() {
        assert!(matches!(lost_attempt(1, &POLICY, 0.5), Settlement::Retry { suspect: true, .. }));
        assert!(matches!(lost_attempt(3, &POLICY, 0.5), Settlement::GiveUp { reason: "max_deliver", .. }));
    }
}
