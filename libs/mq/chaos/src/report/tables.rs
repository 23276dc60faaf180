//! The tables of the page.

use super::outcome::RunTotals;
use super::record::{FaultOutcome, FaultRecord, Report, Sample};
use super::tally::{Tally, tallies, worst_backlog};
use super::units::{Escaped, clock, grouped, span};

/// What a cell says when there is nothing to say.
const NOTHING: &str = "–";

/// Each kind of fault, and how it went.
pub(super) fn by_kind(report: &Report) -> String {
    let heads =
        ["fault", "#injected", "#survived", "#failed", "#not allowed", "#longest recovery", "#worst backlog"];
    let rows = tallies(report).iter().map(kind_row).collect::<String>();
    table(&heads, &rows, "No fault was injected.")
}

fn kind_row(tally: &Tally) -> String {
    row(&[
        name(&tally.kind),
        number(grouped(tally.injected)),
        number(grouped(tally.survived)),
        if tally.failed > 0 { bad_number(tally.failed) } else { number("0".to_owned()) },
        number(grouped(tally.not_allowed)),
        number(tally.longest_recovery_ms.map_or_else(nothing, span)),
        number(tally.worst_backlog.map_or_else(nothing, grouped)),
    ])
}

/// Every injection.
pub(super) fn injections(report: &Report) -> String {
    let heads = [
        "#no.",
        "fault",
        "target",
        "#at",
        "#lasted",
        "#recovered after",
        "#worst backlog",
        "outcome",
        "note",
    ];
    let row = |(index, fault)| injection_row(index, fault, &report.samples);
    let rows = report.faults.iter().enumerate().map(row).collect::<String>();
    table(&heads, &rows, "No fault was injected.")
}

fn injection_row(index: usize, fault: &FaultRecord, samples: &[Sample]) -> String {
    row(&[
        number((index + 1).to_string()),
        name(&fault.kind),
        name(&fault.target),
        number(clock(fault.injected_at_ms)),
        number(if fault.lasted_ms() > 0 { span(fault.lasted_ms()) } else { nothing() }),
        number(fault.recovered_after_ms.map_or_else(nothing, span)),
        number(worst_backlog(fault, samples).map_or_else(nothing, grouped)),
        format!("<td>{}</td>", ending(&fault.outcome)),
        text(&fault.note),
    ])
}

fn ending(outcome: &FaultOutcome) -> String {
    match outcome {
        FaultOutcome::Survived => "<span class=\"tag good\">survived</span>".to_owned(),
        FaultOutcome::NotAllowed(why) => format!("<span class=\"tag\">not allowed</span> {}", Escaped(why)),
        FaultOutcome::Failed(why) => format!("<span class=\"tag bad\">✕ failed</span> {}", Escaped(why)),
    }
}

/// What each context had at the end, and its worst backlogs.
pub(super) fn contexts(samples: &[Sample]) -> String {
    let heads =
        ["context", "#committed", "#processed", "#dead", "#worst outbox backlog", "#worst inbox backlog"];
    let last = samples.last().map(|sample| sample.contexts.as_slice()).unwrap_or_default();
    let rows = last.iter().map(|end| {
        let same =
            || samples.iter().flat_map(|sample| &sample.contexts).filter(|part| part.context == end.context);
        row(&[
            name(&end.context),
            number(grouped(end.committed)),
            number(grouped(end.processed)),
            number(grouped(end.dead)),
            number(same().map(|part| part.outbox_backlog).max().map_or_else(nothing, grouped)),
            number(same().map(|part| part.inbox_backlog).max().map_or_else(nothing, grouped)),
        ])
    });
    let rows = rows.collect::<String>();
    if rows.is_empty() { rows } else { table(&heads, &rows, "") }
}

/// Counts over the whole history.
pub(super) fn totals(totals: &RunTotals) -> String {
    let line = |(name, count): (&str, u64)| row(&[text(name), number(grouped(count))]);
    table(&["what", "#count"], &totals.named().into_iter().map(line).collect::<String>(), "")
}

/// Heads that start with `#` stand over numbers.
fn table(heads: &[&str], rows: &str, empty: &str) -> String {
    if rows.is_empty() {
        return format!("<p>{empty}</p>");
    }
    let head = |head: &&str| match head.strip_prefix('#') {
        Some(number) => format!("<th class=\"number\" scope=\"col\">{number}</th>"),
        None => format!("<th scope=\"col\">{head}</th>"),
    };
    let heads = heads.iter().map(head).collect::<String>();
    format!("<div class=\"wide\"><table><thead><tr>{heads}</tr></thead><tbody>\n{rows}</tbody></table></div>")
}

fn row(cells: &[String]) -> String {
    format!("<tr>{}</tr>\n", cells.concat())
}

fn text(text: &str) -> String {
    format!("<td>{}</td>", Escaped(text))
}

/// Stays on one line.
fn name(text: &str) -> String {
    format!("<td class=\"name\">{}</td>", Escaped(text))
}

/// Takes what this module has made: digits and units.
fn number(text: String) -> String {
    format!("<td class=\"number\">{text}</td>")
}

fn bad_number(count: u64) -> String {
    format!("<td class=\"number\"><span class=\"tag bad\">✕ {}</span></td>", grouped(count))
}

fn nothing() -> String {
    NOTHING.to_owned()
}
