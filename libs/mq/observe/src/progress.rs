use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::health::Status;
use crate::metric;

/// Watches that work which waits also gets done. Clones watch the same work.
///
/// A loop says whether work waits and each time some of it settled; once work has waited
/// for longer than the limit with nothing settled since, the check is down. It is judged
/// when somebody asks, so that a loop that hangs cannot hide it.
#[derive(Clone, Debug)]
pub struct Progress(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    limit: Duration,
    clock: Clock,
    seen: Mutex<Seen>,
}

/// What the loop has said so far.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    waiting_since: Option<Instant>,
    settled_at: Option<Instant>,
    stalled: bool,
}

impl Progress {
    /// Work called `name` that must settle something every `limit` while any of it waits.
    #[must_use]
    pub fn new(name: impl Into<String>, limit: Duration) -> Self {
        Self::with_clock(name, limit, Clock::system())
    }

    /// The same by another clock.
    #[must_use]
    pub fn with_clock(name: impl Into<String>, limit: Duration, clock: Clock) -> Self {
        Self(Arc::new(Inner { name: name.into(), limit, clock, seen: Mutex::default() }))
    }

    /// The name that it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Says whether work waits now; saying it again changes nothing.
    pub fn waiting(&self, waiting: bool) {
        let now = self.0.clock.now();
        self.with(|seen| {
            seen.waiting_since = waiting.then(|| seen.waiting_since.unwrap_or(now));
        });
    }

    /// Says that some work was settled just now.
    pub fn settled(&self) {
        let now = self.0.clock.now();
        self.with(|seen| seen.settled_at = Some(now));
    }

    /// The verdict now; a change of it is logged.
    pub(crate) fn status(&self) -> Status {
        let (now, limit) = (self.0.clock.now(), self.0.limit);
        let (stall, changed) = self.with(|seen| {
            let stall = stall(seen.waiting_since, seen.settled_at, now, limit);
            let changed = seen.stalled != stall.is_some();
            seen.stalled = stall.is_some();
            (stall, changed)
        });
        self.announce(stall, changed);
        match stall {
            None => Status::Up,
            Some(stall) => Status::down(format!(
                "work waits and nothing was settled for {} s (limit {} s)",
                stall.as_secs(),
                limit.as_secs()
            )),
        }
    }

    fn announce(&self, stall: Option<Duration>, changed: bool) {
        let (name, limit_secs) = (self.name(), self.0.limit.as_secs());
        metric::progress_stalled(name.to_owned()).set(if stall.is_some() { 1.0 } else { 0.0 });
        match (stall, changed) {
            (Some(stall), true) => {
                let stalled_secs = stall.as_secs();
                tracing::warn!(
                    progress = name,
                    stalled_secs,
                    limit_secs,
                    "work waits and \
                 nothing settles"
                );
            }
            (None, true) => tracing::info!(progress = name, "work settles again"),
            (Some(_) | None, false) => {}
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        change(&mut self.0.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// For how long work has waited without anything settling, when that is beyond `limit`.
fn stall(
    waiting_since: Option<Instant>,
    settled_at: Option<Instant>,
    now: Instant,
    limit: Duration,
) -> Option<Duration> {
    let since = settled_at.max(waiting_since).filter(|_| waiting_since.is_some())?;
    let idle = now.saturating_duration_since(since);
    (idle > limit).then_some(idle)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::stall;

    #[test]
    fn table() {
        let start = Instant::now();
        let at = |secs: u64| start + Duration::from_secs(secs);
        let limit = Duration::from_secs(30);
        for (waiting_since, settled_at, now, expected) in [
            (None, None, 1_000, None),
            (None, Some(0), 1_000, None),
            (Some(0), None, 30, None),
            (Some(0), None, 31, Some(31)),
            (Some(0), Some(20), 50, None),
            (Some(0), Some(20), 51, Some(31)),
            // Work that came after a long idle time has the whole limit.
            (Some(1_000), Some(0), 1_030, None),
            (Some(1_000), Some(0), 1_031, Some(31)),
            // A clock that seems to go back stalls nothing.
            (Some(100), Some(100), 0, None),
        ] {
            let verdict = stall(waiting_since.map(at), settled_at.map(at), at(now), limit);
            let case = (waiting_since, settled_at, now);
            assert_eq!(verdict, expected.map(Duration::from_secs), "{case:?}");
        }
    }
}
