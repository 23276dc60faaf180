use std::time::Duration;

/// The wait before the next attempt: `base`, doubling, up to `cap`, jittered.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// After the first failed attempt.
    pub base: Duration,
    /// Never longer than this.
    pub cap: Duration,
}

impl Backoff {
    /// The wait after `attempts` attempts; `jitter` in 0..1 spreads it over ±20 %.
    #[must_use]
    pub fn after(&self, attempts: i32, jitter: f64) -> Duration {
        let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(30);
        let plain = self.base.saturating_mul(1_u32 << doublings).min(self.cap);
        plain.mul_f64(0.8 + 0.4 * jitter.clamp(0.0, 1.0)).min(self.cap)
    }
}

/// The pace at which one event at a time probes a handler that fails a whole type of events.
///
/// It starts fast, since a hundred bad events among good ones must not hold the good ones up for a
/// second, and slows down by 3 % a probe, so that a handler that is broken for hours costs the
/// backlog a few hundred attempts and not all of them.
#[derive(Clone, Copy, Debug)]
pub struct ProbePace {
    /// Never longer than this.
    pub cap: Duration,
}

impl ProbePace {
    /// The wait before the probe that follows `failed` probes in a row.
    #[must_use]
    pub fn after(&self, failed: u32) -> Duration {
        let millis = 1.03_f64.powi(i32::try_from(failed.min(1000)).unwrap_or(1000));
        Duration::from_secs_f64((millis / 1000.0).min(self.cap.as_secs_f64()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{Backoff, ProbePace};

    const DEFAULT: Backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(900) };

    #[test]
    fn doubles_from_base_to_cap() {
        for (attempts, seconds) in [(0, 1), (1, 1), (2, 2), (3, 4), (10, 512), (11, 900), (1000, 900)] {
            assert_eq!(DEFAULT.after(attempts, 0.5), Duration::from_secs(seconds), "{attempts}");
        }
    }

    #[test]
    fn a_hundred_probes_take_less_than_a_second_and_an_hour_takes_few() {
        let pace = ProbePace { cap: Duration::from_secs(60) };
        let hundred: Duration = (0..100).map(|n| pace.after(n)).sum();
        assert!(hundred < Duration::from_millis(800), "{hundred:?}");
        let mut spent = Duration::ZERO;
        let in_an_hour = (0..).take_while(|n| {
            spent += pace.after(*n);
            spent < Duration::from_hours(1)
        });
        assert!(in_an_hour.count() < 500);
    }

    proptest! {
        #[test]
        fn never_above_the_cap_nor_far_below_the_base(attempts: i32, jitter in 0.0..1.0_f64) {
            let wait = DEFAULT.after(attempts, jitter);
            prop_assert!(wait <= DEFAULT.cap);
            prop_assert!(wait >= DEFAULT.base.mul_f64(0.79));
        }
    }
}
