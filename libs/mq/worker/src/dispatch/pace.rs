//! How many calls may run at once: pure.

use std::time::{Duration, Instant};

/// Halved by a handler that asks for a pause, at most once in this time; grows by one with every
/// round of successes.
const HALVE_EVERY: Duration = Duration::from_millis(200);

/// Calls in flight: at most the configured number, fewer while the handler says that it has too
/// much to do, none while it is down.
#[derive(Debug)]
pub(crate) struct Pace {
    bound: f64,
    limit: f64,
    halved_at: Option<Instant>,
    quiet_until: Option<Instant>,
    down: bool,
}

impl Pace {
    pub(crate) fn new(bound: usize) -> Self {
        let bound = f64::from(u32::try_from(bound).unwrap_or(u32::MAX)).max(1.0);
        Self { bound, limit: bound, halved_at: None, quiet_until: None, down: false }
    }

    /// How many more may be started, with so many running.
    pub(crate) fn room(&self, running: usize, now: Instant) -> usize {
        if self.down || self.quiet_until.is_some_and(|until| now < until) {
            return 0;
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let limit = self.limit as usize;
        limit.max(1).saturating_sub(running)
    }

    /// The handler answered well.
    pub(crate) fn succeeded(&mut self) {
        self.limit = (self.limit + 1.0 / self.limit).min(self.bound);
    }

    /// The handler asked for a pause: fewer calls, and none for a moment.
    pub(crate) fn overloaded(&mut self, wait: Duration, now: Instant) {
        if self.halved_at.is_none_or(|at| now >= at + HALVE_EVERY) {
            self.halved_at = Some(now);
            self.limit = (self.limit / 2.0).max(1.0);
        }
        // The event itself waits as long as told; the others no longer than a second.
        let until = now + wait.min(Duration::from_secs(1));
        self.quiet_until = Some(self.quiet_until.map_or(until, |at| at.max(until)));
    }

    pub(crate) fn is_down(&self) -> bool {
        self.down
    }

    /// The handler is down, or up again. True when that is a change.
    pub(crate) fn set_down(&mut self, down: bool) -> bool {
        std::mem::replace(&mut self.down, down) != down
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Pace;

    #[test]
    fn bounded_halved_and_growing_back() {
        let (mut pace, now) = (Pace::new(8), Instant::now());
        assert_eq!((pace.room(0, now), pace.room(8, now), pace.room(9, now)), (8, 0, 0));
        pace.overloaded(Duration::from_millis(50), now);
        pace.overloaded(Duration::from_millis(50), now);
        assert_eq!(pace.room(0, now), 0, "quiet for a moment");
        let later = now + Duration::from_secs(1);
        assert_eq!(pace.room(0, later), 4, "halved once");
        for _ in 0..200 {
            pace.succeeded();
        }
        assert_eq!(pace.room(0, later), 8);
    }

    #[test]
    fn never_below_one_and_none_while_down() {
        let (mut pace, mut now) = (Pace::new(2), Instant::now());
        for _ in 0..10 {
            now += Duration::from_secs(2);
            pace.overloaded(Duration::ZERO, now);
        }
        assert_eq!(pace.room(0, now), 1);
        assert!(pace.set_down(true) && !pace.set_down(true));
        assert_eq!(pace.room(0, now), 0);
    }
}
