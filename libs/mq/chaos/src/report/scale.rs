//! From values to heights.

/// A vertical scale that starts at zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    /// Equal steps, up to this value.
    Linear {
        /// The value at the upper end: a multiple of `step`.
        top: f64,
        /// From tick to tick.
        step: f64,
    },
    /// Decades above one, with zero shown at the lower end.
    Log {
        /// The value at the upper end: a power of ten.
        top: f64,
    },
}

impl Scale {
    /// Four or five round steps that hold `highest`; never steps of less than one.
    pub(super) fn linear(highest: f64) -> Self {
        let step = round_up(highest / 5.0).max(1.0);
        Self::Linear { top: step * (highest / step).ceil().max(1.0), step }
    }

    /// Whole decades that hold `highest`.
    pub(super) fn log(highest: f64) -> Self {
        Self::Log { top: 10_f64.powf(highest.max(10.0).log10().ceil()) }
    }

    /// How far up a value stands: 0 at the lower end, 1 at the upper.
    pub(super) fn height(self, value: f64) -> f64 {
        let share = match self {
            Self::Linear { top, .. } => value / top,
            // One more than the value, so that zero has a place.
            Self::Log { top } => value.ln_1p() / top.ln_1p(),
        };
        share.clamp(0.0, 1.0)
    }

    /// The values to write beside the scale, from zero up.
    pub(super) fn ticks(self) -> Vec<f64> {
        match self {
            Self::Linear { top, step } => {
                (0..=(top / step).round() as u32).map(|tick| f64::from(tick) * step).collect()
            }
            Self::Log { top } => {
                let decades = (0..=top.log10().round() as i32).map(|power| 10_f64.powi(power));
                [0.0].into_iter().chain(decades).collect()
            }
        }
    }
}

/// The next 1, 2 or 5 times a power of ten.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 0.0;
    }
    let decade = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|times| times * decade)
        .find(|step| *step >= value)
        .unwrap_or(10.0 * decade)
}

/// From tick to tick of a time axis that ends at `end_ms`, in ms: a round length with at most ten of
/// them on the axis.
pub(super) fn time_step_ms(end_ms: u64) -> u64 {
    const SECONDS: [u64; 15] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600];
    let fits = |step_ms: &u64| end_ms / step_ms <= 10;
    SECONDS.into_iter().map(|seconds| seconds * 1_000).find(fits).unwrap_or(end_ms / 10)
}

#[cfg(test)]
mod tests {
    use super::{Scale, time_step_ms};

    #[test]
    fn linear_ticks_are_round_and_hold_the_highest() {
        for (highest, top, ticks) in
            [(0.0, 1.0, 2), (3.0, 3.0, 4), (437.0, 500.0, 6), (1_000.0, 1_000.0, 6), (1_001.0, 1_500.0, 4)]
        {
            let scale = Scale::linear(highest);
            assert_eq!(scale.ticks().len(), ticks, "{highest}");
            assert_eq!(scale.ticks().last(), Some(&top), "{highest}");
        }
    }

    #[test]
    fn decades_show_zero_apart_from_one() {
        let scale = Scale::log(4_321.0);
        assert_eq!(scale.ticks(), [0.0, 1.0, 10.0, 100.0, 1_000.0, 10_000.0]);
        assert_eq!(scale.height(0.0), 0.0);
        assert!(scale.height(1.0) > 0.05);
        assert_eq!(scale.height(10_000.0), 1.0);
        assert_eq!(Scale::log(1_000.0).ticks().last(), Some(&1_000.0));
    }

    #[test]
    fn a_time_axis_has_at_most_ten_steps() {
        for (end_ms, step_ms) in
            [(1_000, 1_000), (10_999, 1_000), (60_000, 10_000), (660_000, 120_000), (3_700_000, 600_000)]
        {
            assert_eq!(time_step_ms(end_ms), step_ms, "{end_ms}");
        }
        let week_ms = 7 * 86_400_000;
        assert!(week_ms / time_step_ms(week_ms) <= 10);
    }
}
