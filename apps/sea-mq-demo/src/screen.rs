use std::io::Write as _;
use std::time::{Duration, Instant};

/// A step that takes longer shows that it is still being worked on.
const STILL_EVERY: Duration = Duration::from_secs(2);

/// The terminal: lines with the time since the start.
#[derive(Clone, Debug)]
pub(crate) struct Screen {
    start: Instant,
}

impl Screen {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now() }
    }

    /// Time since the start of the demo.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// A line with the time before it.
    pub(crate) fn say(&self, text: &str) {
        self.plain(&format!("{:6.1} s  {text}", self.elapsed().as_secs_f32()));
    }

    /// A line by itself. A terminal that went away is no reason to stop.
    pub(crate) fn plain(&self, text: &str) {
        drop(writeln!(std::io::stdout().lock(), "{text}"));
    }

    /// Names a step, and names it again every two seconds until it ends.
    pub(crate) async fn during<T>(&self, step: &str, work: impl Future<Output = T>) -> T {
        self.say(step);
        let mut still = tokio::time::interval_at(tokio::time::Instant::now() + STILL_EVERY, STILL_EVERY);
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = still.tick() => self.say(&format!("  … still {step}")),
            }
        }
    }
}
