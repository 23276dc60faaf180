//! How much more may be recorded: pure but for the count itself.

use std::time::{Duration, Instant};

use sea_mq_inbox::WindowCount;

/// Once full it is filled again when so much of it, in parts of four, is left.
const LOW: usize = 3;
/// A count that says that it is full is believed for about half the time until it is not, within these:
/// counting walks what it counts.
const FULL_AGAIN: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));
/// Otherwise it is believed for no longer than this: the waiting rows are not known from recording.
const COUNT_AGAIN: Duration = Duration::from_secs(1);

/// The two bounds of ingest. Recorded since the last count is added, finished since is not
/// subtracted: so the bound binds, and is counted again when it seems reached.
#[derive(Debug)]
pub(super) struct Window {
    ready_bound: usize,
    waiting_bound: usize,
    count: WindowCount,
    recorded_since: usize,
    counted_at: Option<Instant>,
    /// It was full, and is not yet low.
    draining: bool,
    full_again: Duration,
}

impl Window {
    pub(super) fn new(ready_bound: usize, waiting_bound: usize) -> Self {
        Self {
            ready_bound,
            waiting_bound,
            count: WindowCount::default(),
            recorded_since: 0,
            counted_at: None,
            draining: false,
            full_again: FULL_AGAIN.0,
        }
    }

    /// How many more may be recorded, as far as is known.
    pub(super) fn room(&self) -> usize {
        if self.draining || self.waits_too_much() {
            return 0;
        }
        self.ready_bound.saturating_sub(self.ready().saturating_add(self.recorded_since))
    }

    pub(super) fn waits_too_much(&self) -> bool {
        usize::try_from(self.count.waiting).is_ok_and(|waiting| waiting >= self.waiting_bound)
    }

    fn ready(&self) -> usize {
        usize::try_from(self.count.ready).unwrap_or(usize::MAX)
    }

    fn low(&self) -> usize {
        self.ready_bound * LOW / 4
    }

    /// True when it has to be counted again before going on.
    pub(super) fn is_stale(&self, now: Instant) -> bool {
        let believed = if self.room() == 0 { self.full_again } else { COUNT_AGAIN };
        self.counted_at.is_none_or(|at| now >= at + believed) || (self.room() == 0 && self.recorded_since > 0)
    }

    pub(super) fn counted(&mut self, count: WindowCount, now: Instant) {
        let known = self.ready().saturating_add(self.recorded_since);
        let over = self.counted_at.map(|at| now.saturating_duration_since(at));
        (self.count, self.recorded_since, self.counted_at) = (count, 0, Some(now));
        let ready = self.ready();
        self.draining = (self.draining || ready >= self.ready_bound) && ready > self.low();
        self.full_again = until_low(known.saturating_sub(ready), over, ready.saturating_sub(self.low()));
    }

    pub(super) fn recorded(&mut self, rows: usize) {
        self.recorded_since += rows;
        // Whatever was finished meanwhile: it is filled up, and not again for every few.
        self.draining |= self.room() == 0;
    }
}

/// Half the time that `left` rows take at the rate at which `finished` were.
fn until_low(finished: usize, over: Option<Duration>, left: usize) -> Duration {
    let (least, most) = FULL_AGAIN;
    let (Some(over), Ok(finished), Ok(left)) = (over, u32::try_from(finished), u32::try_from(left)) else {
        return least;
    };
    if finished == 0 {
        most
    } else {
        over.mul_f64(f64::from(left) / f64::from(finished) / 2.0).clamp(least, most)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use sea_mq_inbox::WindowCount;

    use super::Window;

    #[test]
    fn the_bound_binds_and_is_counted_again() {
        let (mut window, now) = (Window::new(100, 1000), Instant::now());
        assert!(window.is_stale(now));
        window.counted(WindowCount { ready: 40, waiting: 0 }, now);
        assert!(window.room() == 60 && !window.is_stale(now));
        window.recorded(60);
        assert!(window.room() == 0 && window.is_stale(now));
        window.counted(WindowCount { ready: 100, waiting: 0 }, now);
        assert!(!window.is_stale(now), "not counted in a busy loop");
        assert!(window.is_stale(now + Duration::from_millis(250)));
    }

    #[test]
    fn once_full_it_is_filled_again_when_it_is_low() {
        let (mut window, mut now) = (Window::new(100, 1000), Instant::now());
        let mut count = |window: &mut Window, ready, after: u64| {
            now += Duration::from_millis(after);
            window.counted(WindowCount { ready, waiting: 0 }, now);
            now
        };
        count(&mut window, 100, 0);
        let at = count(&mut window, 95, 50);
        assert_eq!(window.room(), 0, "not for every few");
        // Twenty more at a hundred a second: half of 200 ms.
        let millis = |n| at + Duration::from_millis(n);
        assert!(!window.is_stale(millis(99)) && window.is_stale(millis(101)));
        count(&mut window, 75, 200);
        assert_eq!(window.room(), 25);
        window.recorded(10);
        count(&mut window, 80, 1000);
        assert_eq!(window.room(), 20, "filled up to the bound");
        window.recorded(20);
        count(&mut window, 98, 1);
        assert_eq!(window.room(), 0, "and not again for the two that were finished meanwhile");
    }

    #[test]
    fn waiting_rows_have_a_bound_of_their_own() {
        let (mut window, now) = (Window::new(100, 1000), Instant::now());
        window.counted(WindowCount { ready: 0, waiting: 999 }, now);
        assert_eq!(window.room(), 100);
        window.counted(WindowCount { ready: 0, waiting: 1000 }, now);
        assert!(window.room() == 0 && window.waits_too_much());
    }
}
