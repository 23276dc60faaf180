//! The faults over the time axis: a lane for each kind, a band for each injection.

use super::axis::{LEFT, RIGHT, TimeAxis};
use super::record::{FaultOutcome, FaultRecord, Report};
use super::tally::tallies;
use super::units::{Escaped, clock, span};

/// What a lane takes.
pub(super) const LANE_HEIGHT: f64 = 20.0;
/// A band is never narrower, so that a kill can be seen.
const NARROWEST: f64 = 3.0;
/// About what a character takes, at the size of a band's label.
const LETTER: f64 = 6.0;
/// Longer names of lanes are cut.
const NAME_CHARS: usize = 26;

/// The lanes, with their upper edge at `top`.
pub(super) fn draw(report: &Report, axis: TimeAxis, top: f64) -> String {
    let kinds = tallies(report);
    kinds
        .iter()
        .enumerate()
        .map(|(row, kind)| lane(report, &kind.kind, axis, top + LANE_HEIGHT * row as f64))
        .collect()
}

/// A shade over the plots, from `top` to `bottom`, while a fault lasted.
pub(super) fn shades(report: &Report, axis: TimeAxis, top: f64, bottom: f64) -> String {
    let shade = |fault: &FaultRecord| {
        let (x, width) = extent(axis, fault.injected_at_ms, fault.healed_at_ms);
        let height = bottom - top;
        let class = if failed(fault) { "shade bad" } else { "shade" };
        format!(
            "<rect class=\"{class}\" x=\"{x:.1}\" width=\"{width:.1}\" y=\"{top}\" height=\"{height}\"/>\n"
        )
    };
    report.faults.iter().filter(|fault| fault.was_injected()).map(shade).collect()
}

fn lane(report: &Report, kind: &str, axis: TimeAxis, top: f64) -> String {
    let faults: Vec<(usize, &FaultRecord)> =
        report.faults.iter().enumerate().filter(|(_, fault)| fault.kind == kind).collect();
    let next_starts = faults.iter().skip(1).map(|(_, fault)| axis.x(fault.injected_at_ms)).chain([RIGHT]);
    let bands =
        faults.iter().zip(next_starts).map(|((index, fault), next)| band(*index, fault, next, axis, top));
    let bands = bands.collect::<String>();
    let (x, middle, bottom) = (LEFT - 8.0, top + 14.0, top + LANE_HEIGHT);
    let (name, kind) = (cut(kind), Escaped(kind));
    let name = Escaped(&name);
    format!(
        "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{bottom}\" y2=\"{bottom}\"/>\
         <text class=\"end\" x=\"{x}\" y=\"{middle}\">{name}<title>{kind}</title></text>\n{bands}"
    )
}

/// One injection: the band of the fault, the paler one of the recovery, and a label if there is room.
fn band(index: usize, fault: &FaultRecord, next: f64, axis: TimeAxis, top: f64) -> String {
    let (x, width) = extent(axis, fault.injected_at_ms, fault.healed_at_ms);
    let recovered = axis.x(fault.settled_at_ms()).max(x + width);
    let (from, to) = (fault.injected_at_ms, fault.healed_at_ms);
    let (y, height, tail) = (top + 3.0, LANE_HEIGHT - 6.0, recovered - x - width);
    let (class, start) = (class(fault), x + width);
    let name = format!("{} {}", index + 1, fault.label());
    let (name, told) = (Escaped(&name), told(index, fault));
    format!(
        "<g class=\"fault {class}\" data-from=\"{from}\" data-to=\"{to}\" data-name=\"{name}\"><title>{}</title>\
         <rect class=\"tail\" x=\"{start:.1}\" width=\"{tail:.1}\" y=\"{y}\" height=\"{height}\"/>\
         <rect class=\"band\" x=\"{x:.1}\" width=\"{width:.1}\" y=\"{y}\" height=\"{height}\"/>{}</g>\n",
        Escaped(&told),
        label(index, fault, recovered, next, top)
    )
}

/// Beside the band, as much as there is room for before the next one.
fn label(index: usize, fault: &FaultRecord, from: f64, to: f64, top: f64) -> String {
    let mark = if failed(fault) { "✕ " } else { "" };
    let number = format!("{mark}{}", index + 1);
    let whole = format!("{number} {}", fault.target);
    let room = to - from - 6.0;
    let fits = |text: &&String| text.chars().count() as f64 * LETTER <= room;
    let Some(text) = [&whole, &number].into_iter().find(fits) else { return String::new() };
    let (x, y, text) = (from + 4.0, top + 14.0, Escaped(text));
    format!("<text class=\"small\" x=\"{x:.1}\" y=\"{y}\">{text}</text>")
}

/// All about an injection, for the pointer that rests on it.
fn told(index: usize, fault: &FaultRecord) -> String {
    let recovery = match fault.recovered_after_ms {
        Some(after_ms) => format!("recovered {} after the heal", span(after_ms)),
        None => "recovery not seen".to_owned(),
    };
    let end = match &fault.outcome {
        FaultOutcome::Survived => format!("survived, {recovery}"),
        FaultOutcome::NotAllowed(why) => format!("not allowed here: {why}"),
        FaultOutcome::Failed(why) => format!("failed: {why}; {recovery}"),
    };
    let (start, lasted) = (clock(fault.injected_at_ms), fault.lasted_ms());
    let during = if lasted > 0 { format!(" for {}", span(lasted)) } else { String::new() };
    format!("{} {}: at {start}{during}; {end}", index + 1, fault.label())
}

fn extent(axis: TimeAxis, from_ms: u64, to_ms: u64) -> (f64, f64) {
    let from = axis.x(from_ms).min(RIGHT - NARROWEST);
    (from, (axis.x(to_ms) - from).max(NARROWEST))
}

fn class(fault: &FaultRecord) -> &'static str {
    match fault.outcome {
        FaultOutcome::Survived => "survived",
        FaultOutcome::NotAllowed(_) => "refused",
        FaultOutcome::Failed(_) => "failed",
    }
}

fn failed(fault: &FaultRecord) -> bool {
    match fault.outcome {
        FaultOutcome::Failed(_) => true,
        FaultOutcome::Survived | FaultOutcome::NotAllowed(_) => false,
    }
}

fn cut(name: &str) -> String {
    match name.char_indices().nth(NAME_CHARS) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}
