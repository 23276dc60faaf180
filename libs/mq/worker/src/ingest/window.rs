//! How much more may be recorded: pure but for the count itself.

use std::time::{Duration, Instant};

use sea_mq_inbox::WindowCount;

/// A count is believed for no longer than this when it says that there is no room.
const FULL_AGAIN: Duration = Duration::from_millis(20);
/// Nor for longer than this otherwise: the waiting rows are not known from recording.
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
}

impl Window {
    pub(super) fn new(ready_bound: usize, waiting_bound: usize) -> Self {
        Self {
            ready_bound,
            waiting_bound,
            count: WindowCount::default(),
            recorded_since: 0,
            counted_at: None,
        }
    }

    /// How many more may be recorded, as far as is known.
    pub(super) fn room(&self) -> usize {
        if self.waits_too_much() {
            return 0;
        }
        let ready = usize::try_from(self.count.ready).unwrap_or(usize::MAX);
        self.ready_bound.saturating_sub(ready.saturating_add(self.recorded_since))
    }

    pub(super) fn waits_too_much(&self) -> bool {
        usize::try_from(self.count.waiting).is_ok_and(|waiting| waiting >= self.waiting_bound)
    }

    /// True when it has to be counted again before going on.
    pub(super) fn is_stale(&self, now: Instant) -> bool {
        let believed = if self.room() == 0 { FULL_AGAIN } else { COUNT_AGAIN };
        self.counted_at.is_none_or(|at| now >= at + believed) || (self.room() == 0 && self.recorded_since > 0)
    }

    pub(super) fn counted(&mut self, count: WindowCount, now: Instant) {
        (self.count, self.recorded_since, self.counted_at) = (count, 0, Some(now));
    }

    pub(super) fn recorded(&mut self, rows: usize) {
        self.recorded_since += rows;
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
        assert!(window.is_stale(now + Duration::from_millis(20)));
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
