//! How much may be in flight while the broker does not take events: pure.

use std::time::{Duration, Instant};

const WAIT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Open while publishes succeed. After a failure one event at a time probes, ever more slowly,
/// until one is taken.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    failures: u32,
    probe_at: Option<Instant>,
}

impl Gate {
    /// May one more be sent, with so many in flight?
    pub(crate) fn allows(&self, now: Instant, in_flight: usize, bound: usize) -> bool {
        match self.probe_at {
            None => in_flight < bound,
            Some(at) => in_flight == 0 && now >= at,
        }
    }

    /// When a closed gate lets the next probe through.
    pub(crate) fn opens_at(&self) -> Option<Instant> {
        self.probe_at
    }

    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Closes, or stays closed for longer. True when it was open: time for a log line.
    pub(crate) fn failed(&mut self, now: Instant) -> bool {
        let was_open = self.probe_at.is_none();
        // All that were in flight when it closed fail together: they count as one.
        if was_open || self.probe_at.is_some_and(|at| now >= at) {
            let wait = WAIT.0.saturating_mul(1 << self.failures.min(10)).min(WAIT.1);
            self.failures += 1;
            self.probe_at = Some(now + wait);
        }
        was_open
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Gate;

    #[test]
    fn one_probe_at_a_time_until_one_succeeds() {
        let (mut gate, now) = (Gate::default(), Instant::now());
        assert!(gate.allows(now, 10, 11) && !gate.allows(now, 11, 11));
        assert!(gate.failed(now));
        assert!(!gate.failed(now), "the rest of the same flight");
        assert!(!gate.allows(now, 0, 11));
        let soon = now + Duration::from_millis(50);
        assert!(gate.allows(soon, 0, 11) && !gate.allows(soon, 1, 11));
        gate.failed(soon);
        assert!(!gate.allows(soon + Duration::from_millis(50), 0, 11), "waits longer");
        gate.succeeded();
        assert!(gate.allows(soon, 10, 11));
    }
}
