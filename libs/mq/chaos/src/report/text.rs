//! What a terminal shows at the end of a run.

use super::headline::{headline, stamp};
use super::record::{FaultOutcome, Report};
use super::tally::{Tally, tallies};
use super::units::{grouped, span};

/// More violations than this are only counted.
const SHOWN: usize = 10;
/// Between two columns.
const APART: &str = "  ";

/// The verdict, how to run it again, and the table of faults and how they went, in plain text; ends with
/// a newline.
#[must_use]
pub fn summary(report: &Report) -> String {
    let mut lines = vec![format!("{}: {}", stamp(&report.outcome), headline(report))];
    lines.extend(report.outcome.reasons.iter().map(|reason| format!("  - {reason}")));
    lines.extend(broken(report));
    lines.push(counts(report));
    lines.push(format!("run again: {}", report.command()));
    if !report.faults.is_empty() {
        lines.push(String::new());
        lines.extend(faults(&tallies(report)));
        lines.extend(refusals(report));
    }
    lines.iter().map(|line| format!("{}\n", printable(line))).collect()
}

fn counts(report: &Report) -> String {
    let totals = &report.outcome.totals;
    let injected = report.faults.iter().filter(|fault| fault.was_injected()).count() as u64;
    format!(
        "{} events committed, {} effects, {} dead letters; {} faults injected in {}; Postgres {}, nats-server {}",
        grouped(totals.committed),
        grouped(totals.effects),
        grouped(totals.letters),
        grouped(injected),
        span(report.end_ms()),
        report.versions.postgres,
        report.versions.nats
    )
}

fn broken(report: &Report) -> Vec<String> {
    let violations = &report.outcome.violations;
    let mut lines: Vec<String> =
        violations.iter().take(SHOWN).map(|found| format!("  {}", found.text)).collect();
    if violations.len() > SHOWN {
        lines.push(format!("  and {} more in the report", grouped((violations.len() - SHOWN) as u64)));
    }
    lines.extend(report.history_file.iter().map(|file| format!("history: {file}")));
    lines
}

fn faults(tallies: &[Tally]) -> Vec<String> {
    let heads =
        ["FAULT", "INJECTED", "SURVIVED", "FAILED", "NOT ALLOWED", "LONGEST RECOVERY", "WORST BACKLOG"];
    let rows = tallies.iter().map(cells);
    columns(&[heads.map(str::to_owned)].into_iter().chain(rows).collect::<Vec<_>>())
}

fn cells(tally: &Tally) -> [String; 7] {
    let nothing = || "-".to_owned();
    [
        printable(&tally.kind),
        grouped(tally.injected),
        grouped(tally.survived),
        grouped(tally.failed),
        grouped(tally.not_allowed),
        tally.longest_recovery_ms.map_or_else(nothing, span),
        tally.worst_backlog.map_or_else(nothing, grouped),
    ]
}

/// The first column to the left, the others to the right.
fn columns<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let cell = |(column, (text, width)): (usize, (&String, usize))| match column {
        0 => format!("{text:<width$}"),
        1.. => format!("{APART}{text:>width$}"),
    };
    rows.iter().map(|row| row.iter().zip(widths).enumerate().map(cell).collect()).collect()
}

/// Why a kind of fault was not injected: each kind and reason once.
fn refusals(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    for fault in &report.faults {
        if let FaultOutcome::NotAllowed(why) = &fault.outcome {
            let line = format!("not allowed here: {}: {why}", fault.kind);
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    lines
}

/// On one line, and nothing in it that steers a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
