//! Which event types the handler is failing as a whole: pure.
//!
//! ```text
//!            failures of several aggregates, no success between
//!  healthy ────────────────────────────────────────────────────▶ failing
//!     ▲                                                            │ one event at a time,
//!     └───────────────────── a success ────────────────────────────┘ ever more slowly
//! ```

use std::collections::HashSet;
use std::time::Instant;

use sea_mq_dispatch::ProbePace;
use sea_mq_inbox::AggregateKey;

/// So many aggregates in a row must fail before a type counts as failing.
const SEVERAL: usize = 3;

/// One event type's health.
#[derive(Debug, Default)]
pub(crate) struct TypeHealth {
    failed: HashSet<AggregateKey>,
    probes: u32,
    probing: bool,
    next_probe: Option<Instant>,
}

impl TypeHealth {
    pub(crate) fn is_failing(&self) -> bool {
        self.failed.len() >= SEVERAL
    }

    /// May one more of the type be started?
    pub(crate) fn allows(&self, now: Instant) -> bool {
        !self.is_failing() || (!self.probing && self.next_probe.is_none_or(|at| now >= at))
    }

    /// When a failing type lets the next probe through; `None` while it is healthy or probing.
    pub(crate) fn opens_at(&self) -> Option<Instant> {
        if self.is_failing() && !self.probing { self.next_probe } else { None }
    }

    /// One was started. True when it is a probe.
    pub(crate) fn started(&mut self) -> bool {
        self.probing = self.is_failing();
        self.probing
    }

    /// One succeeded. True when the type was failing.
    pub(crate) fn succeeded(&mut self) -> bool {
        let was_failing = self.is_failing();
        *self = Self::default();
        was_failing
    }

    /// One failed transiently. True when the type just became a failing one.
    pub(crate) fn failed(
        &mut self,
        key: &AggregateKey,
        was_probe: bool,
        pace: ProbePace,
        now: Instant,
    ) -> bool {
        if self.is_failing() {
            if was_probe {
                self.probing = false;
                self.probes = self.probes.saturating_add(1);
                self.next_probe = Some(now + pace.after(self.probes));
            }
            return false;
        }
        self.failed.insert(key.clone());
        self.is_failing()
    }

    /// A probe ended without saying anything about the type.
    pub(crate) fn inconclusive(&mut self, was_probe: bool) {
        if was_probe {
            self.probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use sea_mq_dispatch::ProbePace;
    use sea_mq_inbox::AggregateKey;

    use super::TypeHealth;

    const PACE: ProbePace = ProbePace { cap: Duration::from_secs(60) };

    fn key(n: u8) -> AggregateKey {
        AggregateKey::Aggregate(None, n.to_string())
    }

    #[test]
    fn one_aggregate_alone_never_makes_a_type_fail() {
        let (mut health, now) = (TypeHealth::default(), Instant::now());
        for _ in 0..100 {
            assert!(!health.failed(&key(1), false, PACE, now));
        }
        assert!(!health.is_failing() && health.allows(now));
    }

    #[test]
    fn a_success_between_starts_the_count_again() {
        let (mut health, now) = (TypeHealth::default(), Instant::now());
        for n in 0..100 {
            health.failed(&key(n), false, PACE, now);
            health.failed(&key(n.wrapping_add(100)), false, PACE, now);
            assert!(!health.succeeded());
        }
        assert!(!health.is_failing());
    }

    #[test]
    fn a_failing_type_is_probed_one_at_a_time_until_one_succeeds() {
        let (mut health, now) = (TypeHealth::default(), Instant::now());
        assert!(!health.failed(&key(1), false, PACE, now));
        assert!(!health.failed(&key(2), false, PACE, now));
        assert!(health.failed(&key(3), false, PACE, now), "just became failing");
        assert!(!health.failed(&key(4), false, PACE, now), "of those in flight before");
        assert!(health.allows(now) && health.started());
        assert!(!health.allows(now + Duration::from_secs(999)), "a probe is out");
        health.failed(&key(5), true, PACE, now);
        assert!(!health.allows(now) && health.opens_at().is_some());
        let later = now + Duration::from_secs(1);
        assert!(health.allows(later) && health.started());
        assert!(health.succeeded());
        assert!(health.allows(now) && !health.started());
    }
}
