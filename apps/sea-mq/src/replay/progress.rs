use std::time::{Duration, Instant};

use crate::output::complain;

const EVERY: Duration = Duration::from_secs(2);

/// Says on stderr how far it is, whenever two seconds have passed.
pub(super) struct Progress {
    next: Instant,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { next: Instant::now() + EVERY }
    }

    pub(super) fn tell(&mut self, how_far: impl FnOnce() -> String) {
        let now = Instant::now();
        if now >= self.next {
            self.next = now + EVERY;
            complain(&how_far());
        }
    }

    /// When there may be something to say again.
    pub(super) fn at(&self) -> Instant {
        self.next
    }
}
