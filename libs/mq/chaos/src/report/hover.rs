//! The numbers behind the chart, for the tip that follows the pointer.

use serde_json::{Value, json};

use super::axis::{LEFT, RIGHT, TimeAxis, WIDTH};
use super::panel::{Panel, Series};
use super::record::Report;

/// JSON that may stand in a `script` element: the highest value of each line in each column of pixels.
pub(super) fn data(report: &Report, panels: &[Panel]) -> String {
    let lines =
        || panels.iter().flat_map(|panel| panel.series.iter().map(move |series| (panel.unit, series)));
    let names: Vec<Value> = lines()
        .map(|(unit, series)| json!({"name": series.name, "class": series.class, "unit": unit}))
        .collect();
    let series: Vec<&Series> = lines().map(|(_, series)| series).collect();
    let data = json!({
        "left": LEFT, "right": RIGHT, "width": WIDTH, "end": report.end_ms(),
        "lines": names, "columns": columns(report, &series),
    });
    data.to_string().replace('<', "\\u003c")
}

fn columns(report: &Report, series: &[&Series]) -> Vec<Value> {
    let axis = TimeAxis { end_ms: report.end_ms() };
    let mut columns = Vec::new();
    let mut first = 0;
    let same = |one: &super::Sample, next: &super::Sample| axis.column(one.at_ms) == axis.column(next.at_ms);
    for samples in report.samples.chunk_by(same) {
        let part = first..first + samples.len();
        let highest = series.iter().map(|series| highest(&series.values[part.clone()]));
        columns.push([json!(samples[0].at_ms)].into_iter().chain(highest).collect());
        first = part.end;
    }
    columns
}

fn highest(values: &[Option<f64>]) -> Value {
    let seen = values.iter().flatten().copied().filter(|value| value.is_finite());
    // One decimal: more is noise, and takes room.
    seen.reduce(f64::max).map_or(Value::Null, |value| json!((value * 10.0).round() / 10.0))
}
