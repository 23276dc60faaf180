//! The time axis that all parts of the chart share.

use super::scale::time_step_ms;
use super::units::clock;

/// Width of the whole drawing, in its own units; about pixels.
pub(super) const WIDTH: f64 = 1_000.0;
/// Where time starts; left of it stand names and values.
pub(super) const LEFT: f64 = 170.0;
/// Where time ends.
pub(super) const RIGHT: f64 = 974.0;

/// From moments to places.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeAxis {
    /// The moment at [`RIGHT`], in ms; not 0.
    pub(super) end_ms: u64,
}

impl TimeAxis {
    /// How far right a moment stands.
    pub(super) fn x(self, at_ms: u64) -> f64 {
        LEFT + (RIGHT - LEFT) * (at_ms as f64 / self.end_ms as f64).clamp(0.0, 1.0)
    }

    /// The column of pixels that a moment falls into.
    pub(super) fn column(self, at_ms: u64) -> u32 {
        self.x(at_ms) as u32
    }

    /// Lines of equal times from `top` to `bottom`, and their moments below.
    pub(super) fn grid(self, top: f64, bottom: f64) -> String {
        let step_ms = time_step_ms(self.end_ms);
        let tick = |tick: u64| {
            let (x, at) = (self.x(tick * step_ms), clock(tick * step_ms));
            let below = bottom + 16.0;
            format!(
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{bottom}\"/>\
                 <text class=\"tick mid\" x=\"{x:.1}\" y=\"{below}\">{at}</text>\n"
            )
        };
        (0..=self.end_ms / step_ms).map(tick).collect()
    }
}
