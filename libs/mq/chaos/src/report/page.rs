//! The page around the chart and the tables.

use time::format_description::well_known::Rfc3339;

use super::headline::{headline, stamp};
use super::outcome::{Judgement, Outcome};
use super::panel::panels;
use super::record::Report;
use super::units::{Escaped, grouped, span};
use super::{chart, hover, tables, violations};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Nothing is fetched, whatever the report's texts say.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// One file that needs nothing else.
pub(super) fn html(report: &Report) -> String {
    let panels = panels(&report.samples);
    let sections = [
        section("Time line", &figure(&chart::draw(report, &panels))),
        section("Faults", &tables::by_kind(report)),
        section(
            "Broken promises",
            &violations::list(&report.outcome.violations, report.history_file.as_deref()),
        ),
        section("Every injection", &tables::injections(report)),
        section(
            "Totals",
            &format!("{}{}", tables::totals(&report.outcome.totals), tables::contexts(&report.samples)),
        ),
    ];
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{stamp}: chaos run, seed {seed}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         {verdict}{run}{sections}</main>\n<script type=\"application/json\" id=\"data\">{data}</script>\n\
         <script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        stamp = stamp(&report.outcome),
        seed = report.seed,
        verdict = verdict(report),
        run = run(report),
        sections = sections.concat(),
        data = hover::data(report, &panels),
    )
}

fn section(title: &str, body: &str) -> String {
    format!("<section>\n<h2>{title}</h2>\n{body}\n</section>\n")
}

fn verdict(report: &Report) -> String {
    let outcome = &report.outcome;
    let (class, sign) = match (outcome.verdict, outcome.bar_met) {
        (Judgement::Clean, true) => ("good", "✓"),
        (Judgement::Clean, false) => ("warn", "!"),
        (Judgement::Broken, true | false) => ("bad", "✕"),
    };
    let (stamp, line) = (stamp(outcome), headline(report));
    format!(
        "<header class=\"{class}\">\n<p class=\"stamp\"><span aria-hidden=\"true\">{sign}</span> {stamp}</p>\n\
         <h1>{line}</h1>\n{}</header>\n{}",
        reasons(outcome),
        tiles(report)
    )
}

fn reasons(outcome: &Outcome) -> String {
    if outcome.reasons.is_empty() {
        return String::new();
    }
    let reason = |reason: &String| format!("<li>{}</li>\n", Escaped(reason));
    format!(
        "<p>What keeps it below the bar:</p>\n<ul>\n{}</ul>\n",
        outcome.reasons.iter().map(reason).collect::<String>()
    )
}

fn tiles(report: &Report) -> String {
    let totals = &report.outcome.totals;
    let injected = report.faults.iter().filter(|fault| fault.was_injected()).count() as u64;
    let refused = report.faults.len() as u64 - injected;
    let recovery = report.outcome.longest_recovery_ms.map_or_else(|| "not seen".to_owned(), span);
    let mut tiles = vec![
        ("events committed", grouped(totals.committed)),
        ("effects", grouped(totals.effects)),
        ("dead letters", grouped(totals.letters)),
        ("faults injected", grouped(injected)),
        ("longest recovery", recovery),
    ];
    if refused > 0 {
        tiles.push(("faults not allowed here", grouped(refused)));
    }
    let tile = |(name, value): (&str, String)| format!("<div><dt>{name}</dt><dd>{value}</dd></div>\n");
    format!("<dl class=\"tiles\">\n{}</dl>\n", tiles.into_iter().map(tile).collect::<String>())
}

fn run(report: &Report) -> String {
    // A year beyond 9999 cannot be written so.
    let started = report.started_at.format(&Rfc3339).unwrap_or_else(|_| report.started_at.to_string());
    let command = report.command();
    format!(
        "<section class=\"run\">\n<p>Run again: <code>{command}</code></p>\n\
         <p>Seed {seed}; started {started}; {minutes} min of faults, {length} altogether; \
         Postgres {postgres}, nats-server {nats}.</p>\n<p>Load: {load}</p>\n</section>\n",
        command = Escaped(&command),
        seed = report.seed,
        minutes = report.minutes,
        length = span(report.end_ms()),
        postgres = Escaped(&report.versions.postgres),
        nats = Escaped(&report.versions.nats),
        load = Escaped(&report.load_summary),
    )
}

fn figure(chart: &str) -> String {
    format!(
        "<figure>\n<div class=\"wide\">\n{chart}</div>\n<div id=\"tip\" hidden></div>\n\
         <figcaption>{band} a fault, {tail} until the healthy backlog was normal again, {failed} ✕ failed, \
         {refused} not allowed here. Numbers are those of the table of injections. Where several seconds share \
         a column of pixels, lines span the lowest and the highest of them, and the tip shows the highest.\
         </figcaption>\n</figure>",
        band = swatch("survived band"),
        tail = swatch("survived tail"),
        failed = swatch("failed band"),
        refused = swatch("refused band"),
    )
}

fn swatch(class: &str) -> String {
    let (outer, inner) = class.split_once(' ').unwrap_or((class, ""));
    format!(
        "<svg class=\"swatch\" viewBox=\"0 0 16 10\" aria-hidden=\"true\"><g class=\"fault {outer}\">\
         <rect class=\"{inner}\" x=\"1\" y=\"1\" width=\"14\" height=\"8\"/></g></svg>"
    )
}
