//! The whole chart: lanes of faults above the plots, on one time axis.

use super::axis::{LEFT, RIGHT, TimeAxis, WIDTH};
use super::lanes::{self, LANE_HEIGHT};
use super::panel::{PANEL_HEIGHT, Panel};
use super::record::Report;
use super::tally::tallies;

/// Room for what is written above the lanes.
const TOP: f64 = 20.0;
/// Room for the moments below the plots.
const BOTTOM: f64 = 26.0;

/// One SVG.
pub(super) fn draw(report: &Report, panels: &[Panel]) -> String {
    let axis = TimeAxis { end_ms: report.end_ms() };
    let plots = TOP + LANE_HEIGHT * tallies(report).len() as f64;
    let bottom = plots + PANEL_HEIGHT * panels.len() as f64;
    let panels = panels.iter().enumerate();
    let drawn = panels.map(|(row, panel)| panel.draw(report, axis, plots + PANEL_HEIGHT * row as f64));
    format!(
        "<svg id=\"chart\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"Faults, throughput, backlog and \
         latency over the time of the run; the tables below tell the same\">\n{HATCH}{grid}{shades}{lanes}{drawn}{heal}\
         <line id=\"cursor\" y1=\"{TOP}\" y2=\"{bottom}\" visibility=\"hidden\"/>\n</svg>\n",
        height = bottom + BOTTOM,
        grid = axis.grid(TOP, bottom),
        shades = lanes::shades(report, axis, plots, bottom),
        lanes = lanes::draw(report, axis, TOP),
        drawn = drawn.collect::<String>(),
        heal = last_heal(report, axis, bottom),
    )
}

/// What failed is hatched: colour alone does not tell it.
const HATCH: &str = "<defs><pattern id=\"hatch\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" \
    patternTransform=\"rotate(45)\"><rect class=\"hatch-ground\" width=\"5\" height=\"5\"/>\
    <rect class=\"hatch-stroke\" width=\"2\" height=\"5\"/></pattern></defs>\n";

fn last_heal(report: &Report, axis: TimeAxis, bottom: f64) -> String {
    let Some(at_ms) = report.last_heal_ms() else { return String::new() };
    let (x, y) = (axis.x(at_ms), TOP - 6.0);
    let side = if x > f64::midpoint(LEFT, RIGHT) { "end" } else { "start" };
    format!(
        "<line class=\"heal\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>\
         <text class=\"small {side}\" x=\"{x:.1}\" y=\"{y}\">last heal</text>\n"
    )
}
