//! One plot: a scale, and lines over the time axis.

use super::axis::{LEFT, RIGHT, TimeAxis};
use super::record::{Report, Sample};
use super::scale::Scale;
use super::thin::{Point, pieces};
use super::units::grouped;

/// From the upper end of a scale to its lower.
const PLOT_HEIGHT: f64 = 120.0;
/// Above the scale: the title, with the names of the lines.
const TITLE_HEIGHT: f64 = 30.0;
/// What a plot takes altogether, with the space below it.
pub(super) const PANEL_HEIGHT: f64 = TITLE_HEIGHT + PLOT_HEIGHT + 12.0;
/// Values whose places are closer than this to the last one written are not written.
const TICK_HEIGHT: f64 = 12.0;

/// One plot.
pub(super) struct Panel {
    title: &'static str,
    scale: Scale,
    tick_text: fn(f64) -> String,
    /// What the tip says behind a value.
    pub(super) unit: &'static str,
    pub(super) series: Vec<Series>,
}

/// One line of a plot.
pub(super) struct Series {
    pub(super) name: &'static str,
    /// Its colour, in the style sheet.
    pub(super) class: &'static str,
    /// One for each sample of the report.
    pub(super) values: Vec<Option<f64>>,
}

/// The plots from top to bottom.
pub(super) fn panels(samples: &[Sample]) -> [Panel; 3] {
    [throughput(samples), backlog(samples), latency(samples)]
}

fn throughput(samples: &[Sample]) -> Panel {
    let series = vec![
        Series { name: "committed", class: "blue", values: rates(samples, |sample| sample.committed) },
        Series { name: "processed", class: "orange", values: rates(samples, |sample| sample.processed) },
    ];
    Panel {
        title: "Throughput, events/s",
        scale: Scale::linear(highest(&series)),
        tick_text: |value| grouped(value as u64),
        unit: "/s",
        series,
    }
}

fn backlog(samples: &[Sample]) -> Panel {
    let counts = |of: fn(&Sample) -> u64| samples.iter().map(|sample| Some(of(sample) as f64)).collect();
    let series = vec![
        Series { name: "outbox", class: "blue", values: counts(|sample| sample.outbox_backlog) },
        Series { name: "inbox", class: "orange", values: counts(|sample| sample.inbox_backlog) },
        Series {
            name: "healthy events, everywhere",
            class: "ink",
            values: counts(|sample| sample.healthy_backlog),
        },
    ];
    Panel {
        title: "Backlog, events waiting (log scale)",
        scale: Scale::log(highest(&series)),
        tick_text: |value| grouped(value as u64),
        unit: " waiting",
        series,
    }
}

fn latency(samples: &[Sample]) -> Panel {
    let series = vec![
        Series {
            name: "median",
            class: "blue",
            values: samples.iter().map(|sample| sample.latency_p50_ms).collect(),
        },
        Series {
            name: "99th percentile",
            class: "orange",
            values: samples.iter().map(|sample| sample.latency_p99_ms).collect(),
        },
    ];
    Panel {
        title: "Latency, commit to effect (log scale)",
        scale: Scale::log(highest(&series)),
        tick_text: whole_span,
        unit: "ms",
        series,
    }
}

/// A power of ten: `10 ms`, `100 s`.
fn whole_span(ms: f64) -> String {
    if ms < 1_000.0 { format!("{ms:.0} ms") } else { format!("{} s", grouped((ms / 1_000.0) as u64)) }
}

/// Events a second since the sample before.
fn rates(samples: &[Sample], total: fn(&Sample) -> u64) -> Vec<Option<f64>> {
    let rate = |pair: &[Sample]| {
        let events = total(&pair[1]).saturating_sub(total(&pair[0])) as f64;
        let passed_ms = pair[1].at_ms.saturating_sub(pair[0].at_ms);
        (passed_ms > 0).then(|| events * 1_000.0 / passed_ms as f64)
    };
    samples.first().map(|_| None).into_iter().chain(samples.windows(2).map(rate)).collect()
}

fn highest(series: &[Series]) -> f64 {
    let values = series.iter().flat_map(|series| series.values.iter().flatten().copied());
    values.filter(|value| value.is_finite()).fold(0.0, f64::max)
}

impl Panel {
    /// The plot, with its upper edge at `top`.
    pub(super) fn draw(&self, report: &Report, axis: TimeAxis, top: f64) -> String {
        let times_ms: Vec<u64> = report.samples.iter().map(|sample| sample.at_ms).collect();
        let top = top + TITLE_HEIGHT;
        let lines = self.series.iter().map(|series| self.line(series, &times_ms, axis, top));
        let lines = lines.collect::<String>();
        let empty = if times_ms.is_empty() { nothing(top) } else { String::new() };
        format!("{}{}{lines}{empty}", self.caption(top), self.levels(top))
    }

    fn caption(&self, top: f64) -> String {
        let key = |series: &Series| {
            format!(
                "<tspan class=\"key {}\" dx=\"14\">━</tspan><tspan dx=\"4\">{}</tspan>",
                series.class, series.name
            )
        };
        let keys = self.series.iter().map(key).collect::<String>();
        let (title, y) = (self.title, top - 10.0);
        format!("<text x=\"{LEFT}\" y=\"{y}\"><tspan class=\"title\">{title}</tspan>{keys}</text>\n")
    }

    fn levels(&self, top: f64) -> String {
        let mut written = f64::INFINITY;
        let level = |value: f64| {
            let (y, x) = (self.y(value, top), LEFT - 8.0);
            let mut level =
                format!("<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>");
            if written - y >= TICK_HEIGHT {
                let (below, text) = (y + 4.0, (self.tick_text)(value));
                level += &format!("<text class=\"tick end\" x=\"{x}\" y=\"{below:.1}\">{text}</text>");
                written = y;
            }
            level + "\n"
        };
        self.scale.ticks().into_iter().map(level).collect()
    }

    fn line(&self, series: &Series, times_ms: &[u64], axis: TimeAxis, top: f64) -> String {
        let place = |point: &Point| format!("{:.1} {:.1}", axis.x(point.at_ms), self.y(point.value, top));
        let piece = |points: Vec<Point>| match points.as_slice() {
            // A line to where it starts is a dot.
            [alone] => format!("M{}h0", place(alone)),
            several => format!("M{}", several.iter().map(place).collect::<Vec<_>>().join("L")),
        };
        let path = pieces(times_ms, &series.values, axis).into_iter().map(piece).collect::<String>();
        format!("<path class=\"line {}\" d=\"{path}\"/>\n", series.class)
    }

    fn y(&self, value: f64, top: f64) -> f64 {
        top + PLOT_HEIGHT * (1.0 - self.scale.height(value))
    }
}

fn nothing(top: f64) -> String {
    let (x, y) = (f64::midpoint(LEFT, RIGHT), top + PLOT_HEIGHT / 2.0);
    format!("<text class=\"tick mid\" x=\"{x}\" y=\"{y}\">nothing was observed</text>\n")
}
