//! The verdict in one sentence.

use super::outcome::{Judgement, Outcome};
use super::record::Report;
use super::units::{grouped, span};

/// Such as `0 lost, 0 twice, order kept; backlog zero 4.2 s after the last heal`.
pub(super) fn headline(report: &Report) -> String {
    format!("{}; {}", promises(&report.outcome), drain(report))
}

/// Such as `CLEAN, bar met`.
pub(super) fn stamp(outcome: &Outcome) -> &'static str {
    match (outcome.verdict, outcome.bar_met) {
        (Judgement::Clean, true) => "Clean, bar met",
        (Judgement::Clean, false) => "Clean, bar missed",
        (Judgement::Broken, true | false) => "Broken",
    }
}

fn promises(outcome: &Outcome) -> String {
    let order = match outcome.out_of_order {
        0 => "order kept".to_owned(),
        times => format!("{} out of order", grouped(times)),
    };
    let other = match outcome.other {
        0 => String::new(),
        times => format!(", {} broken otherwise", grouped(times)),
    };
    format!("{} lost, {} twice, {order}{other}", grouped(outcome.lost), grouped(outcome.doubled))
}

fn drain(report: &Report) -> String {
    match (report.last_heal_ms(), report.outcome.backlog_zero_after_last_heal_ms) {
        (None, _) => "no fault was injected".to_owned(),
        (Some(_), Some(after_ms)) => format!("backlog zero {} after the last heal", span(after_ms)),
        (Some(_), None) => "backlog not seen at zero after the last heal".to_owned(),
    }
}
