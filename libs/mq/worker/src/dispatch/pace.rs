//! How many calls may run at once: pure.

use std::time::{Duration, Instant};

/// Halved by a handler that asks for a pause, at most once in this time; grows by one with every
/// round of successes.
const HALVE_EVERY: Duration = Duration::from_millis(200);
/// Calls that end are counted over this time.
const RATE_OVER: Duration = Duration::from_millis(50);
/// A rate that is older says nothing any more.
const RATE_AGES: Duration = Duration::from_millis(200);
/// Calls that end per second, above which a statement for each of them would cost more than the
/// calls, and what is recorded is called within milliseconds.
const FAST: f64 = 200.0;
/// Attempts are started so long before their calls: what the statements that start and settle take.
const AHEAD: Duration = Duration::from_millis(50);
/// For a handler that takes batches: each call holds several for as long as all of them take.
const AHEAD_OF_BATCHES: Duration = Duration::from_millis(100);
/// More rows make a statement no cheaper for each.
const MOST_WORTH: usize = 128;
/// So many are started ahead of a handler of which nothing is known yet.
const LEAST_AHEAD: usize = 4;

/// Calls in flight: at most the configured number, fewer while the handler says that it has too
/// much to do, none while it is down.
#[derive(Debug)]
pub(crate) struct Pace {
    bound: f64,
    limit: f64,
    halved_at: Option<Instant>,
    quiet_until: Option<Instant>,
    down: bool,
    batches: bool,
    ended: u32,
    counted_from: Option<Instant>,
    rate: f64,
}

impl Pace {
    pub(crate) fn new(bound: usize) -> Self {
        let bound = f64::from(u32::try_from(bound).unwrap_or(u32::MAX)).max(1.0);
        Self {
            bound,
            limit: bound,
            halved_at: None,
            quiet_until: None,
            down: false,
            batches: false,
            ended: 0,
            counted_from: None,
            rate: 0.0,
        }
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

    /// A call has ended, however.
    pub(crate) fn ended(&mut self, now: Instant) {
        self.ended += 1;
        let from = *self.counted_from.get_or_insert(now);
        let over = now.saturating_duration_since(from);
        if over >= RATE_OVER {
            self.rate = f64::from(self.ended) / over.as_secs_f64();
            (self.ended, self.counted_from) = (0, Some(now));
        }
    }

    fn rate(&self, now: Instant) -> f64 {
        let age = self.counted_from.map_or(RATE_AGES, |from| now.saturating_duration_since(from));
        if age < RATE_AGES { self.rate } else { 0.0 }
    }

    /// The handler takes events as fast as they are recorded.
    pub(crate) fn is_fast(&self, now: Instant) -> bool {
        self.rate(now) >= FAST
    }

    /// How many attempts may be started beyond the calls that are free, at most `bound`.
    pub(crate) fn ahead(&self, now: Instant, bound: usize) -> usize {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let wanted = (self.rate(now) * self.ahead_of().as_secs_f64()) as usize;
        wanted.max(LEAST_AHEAD).min(bound)
    }

    fn ahead_of(&self) -> Duration {
        if self.batches { AHEAD_OF_BATCHES } else { AHEAD }
    }

    /// The handler takes batches, or does not.
    pub(crate) fn set_batches(&mut self, batches: bool) {
        self.batches = batches;
    }

    /// How many rows are worth a statement, while there is still enough to call: half of what may be
    /// ahead, so that the other half is called meanwhile.
    pub(crate) fn worth(&self, now: Instant, bound: usize) -> usize {
        (self.ahead(now, bound) / 2).clamp(1, MOST_WORTH)
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
    fn so_many_ahead_as_will_be_called_shortly() {
        let began = Instant::now();
        let mut pace = Pace::new(25);
        assert_eq!(pace.ahead(began, 400), 4, "nothing is known yet");
        let at = |micros| began + Duration::from_micros(micros);
        for n in 0..=1000 {
            pace.ended(at(n * 100));
        }
        let now = at(100_000);
        assert!(pace.is_fast(now));
        assert!((495..=505).contains(&pace.ahead(now, 600)), "10,000 a second over 50 ms");
        pace.set_batches(true);
        assert!((990..=1010).contains(&pace.ahead(now, 2000)), "in batches: over 100 ms");
        pace.set_batches(false);
        assert_eq!((pace.ahead(now, 50), pace.worth(now, 600)), (50, 128));
        assert_eq!(pace.worth(now, 16), 8, "never more than could be started");
        let later = now + Duration::from_secs(1);
        assert_eq!((pace.ahead(later, 400), pace.worth(later, 400)), (4, 2), "long ago");
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
