use std::time::Duration;

use tokio::time::Instant;

/// The first restart comes at once, almost; each further one twice as late.
const FIRST: Duration = Duration::from_millis(250);
const LAST: Duration = Duration::from_secs(8);
/// What ran so long starts counting anew.
const STEADY: Duration = Duration::from_secs(20);

/// When something that ended is started again.
#[derive(Debug)]
pub(crate) struct Backoff {
    failures: u32,
    started: Instant,
}

impl Backoff {
    /// It is started now, for the first time.
    pub(crate) fn now() -> Self {
        Self { failures: 0, started: Instant::now() }
    }

    /// It is started again now.
    pub(crate) fn started(&mut self) {
        self.started = Instant::now();
    }

    /// It has ended: how long to wait before the next start.
    pub(crate) fn ended(&mut self) -> Duration {
        self.failures = if self.started.elapsed() > STEADY { 1 } else { self.failures.saturating_add(1) };
        wait(self.failures)
    }
}

fn wait(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    FIRST.saturating_mul(1 << doublings).min(LAST)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Backoff, wait};

    #[test]
    fn restarts_come_later_each_time_up_to_a_limit() {
        let mut backoff = Backoff::now();
        let waits = [(); 4].map(|()| backoff.ended().as_millis());
        assert_eq!(waits, [250, 500, 1000, 2000]);
        assert_eq!(wait(u32::MAX), Duration::from_secs(8));
    }
}
