#![allow(clippy::unwrap_used)]

mod fixture;

use std::fs;
use std::path::Path;

use fixture::{fault, hour, small, violation};

use super::{FaultOutcome, Judgement, Outcome, Promise, Report, RunTotals, ViolationRecord, summary};

/// What the page of [`small`] looks like, without style and script. Written anew with
/// `SEA_MQ_WRITE_GOLDEN=1`.
const GOLDEN: &str = "src/report/tests/golden.html";

#[test]
fn a_small_report_is_the_page_that_is_kept() {
    let page = small().to_html();
    assert_eq!(page, small().to_html());
    let page = page.replace(include_str!("page.css"), "").replace(include_str!("page.js"), "");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(GOLDEN);
    if std::env::var_os("SEA_MQ_WRITE_GOLDEN").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    for (number, (line, kept)) in page.lines().zip(kept.lines()).enumerate() {
        assert_eq!(line, kept, "line {} of {GOLDEN}; SEA_MQ_WRITE_GOLDEN=1 writes it anew", number + 1);
    }
    assert_eq!(page.lines().count(), kept.lines().count(), "SEA_MQ_WRITE_GOLDEN=1 writes {GOLDEN} anew");
}

#[test]
fn every_fault_is_named_on_the_page() {
    let (report, page) = (small(), small().to_html());
    for fault in &report.faults {
        let (kind, target) = (escaped(&fault.kind), escaped(&fault.target));
        assert!(page.contains(&format!("{kind} of {target}")), "{kind} of {target}");
    }
}

#[test]
fn no_text_of_a_run_becomes_markup() {
    let nasty = "</script><script>alert(1)</script>\"'&";
    let mut report = small();
    report.load_summary = nasty.to_owned();
    report.versions.postgres = nasty.to_owned();
    report.versions.nats = nasty.to_owned();
    report.only_faults = vec![nasty.to_owned()];
    report.history_file = Some(nasty.to_owned());
    report.faults = vec![fault(nasty, nasty, 1_000, FaultOutcome::Failed(nasty.to_owned()))];
    report.faults[0].note = nasty.to_owned();
    for sample in &mut report.samples {
        sample.contexts[0].context = nasty.to_owned();
    }
    let found = ViolationRecord { kind: nasty.to_owned(), ..violation(Promise::Other, nasty) };
    report.outcome = Outcome::judge(vec![found], RunTotals::default(), &report.faults, None);
    let page = report.to_html();
    assert!(!page.contains("<script>alert"));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"));
    assert_eq!(page.matches("</script>").count(), 2);
}

#[test]
fn nothing_on_the_page_is_fetched() {
    let page = hour().to_html();
    for fetching in ["http://", "https://", "src=", "<link", "@import", "href="] {
        assert!(!page.contains(fetching), "{fetching}");
    }
    assert_eq!(page.matches("url(").count(), page.matches("url(#hatch)").count());
}

#[test]
fn a_report_survives_being_written_and_read() {
    for report in [small(), hour(), empty()] {
        assert_eq!(Report::from_json(&report.to_json().unwrap()).unwrap(), report);
    }
    assert!(Report::from_json("{}").unwrap_err().to_string().contains("seed"));
}

#[test]
fn a_run_without_anything_is_told_as_such() {
    let page = empty().to_html();
    assert!(page.contains("0 lost, 0 twice, order kept; no fault was injected"));
    assert!(page.contains("no event was committed"));
    assert_eq!(page.matches("nothing was observed").count(), 3);
    assert_eq!(empty().outcome.verdict, Judgement::Clean);
    assert!(!empty().outcome.bar_met);
    assert_eq!(
        summary(&empty()).lines().next(),
        Some("Clean, bar missed: 0 lost, 0 twice, order kept; no fault was injected")
    );
}

#[test]
fn the_page_of_an_hour_is_bounded() {
    let mut report = hour();
    assert!(report.to_html().len() < 1_000_000, "{}", report.to_html().len());
    // A run in which everything went wrong.
    let found = ViolationRecord { story: "é".repeat(100_000), ..violation(Promise::Lost, "lost") };
    report.outcome = Outcome::judge(vec![found; 1_000], report.outcome.totals, &report.faults, None);
    let page = report.to_html();
    assert!(page.contains("And 900 more"));
    assert!(page.len() < 2_000_000, "{}", page.len());
}

#[test]
fn the_bar_is_met_only_by_a_run_that_kept_everything() {
    let totals = RunTotals { committed: 1, ..RunTotals::default() };
    let survived = vec![fault("kill_worker", "sea", 0, FaultOutcome::Survived)];
    let failed = vec![fault("kill_worker", "sea", 0, FaultOutcome::Failed("it stayed down".to_owned()))];
    let refused = vec![fault("full_disk", "sea", 0, FaultOutcome::NotAllowed("no mount".to_owned()))];
    let none = Vec::new();
    let lost = || vec![violation(Promise::Lost, "lost")];
    for (violations, totals, faults, drained_ms, reasons) in [
        (vec![], totals, &survived, Some(30_000), vec![]),
        (vec![], totals, &none, None, vec![]),
        (vec![], totals, &refused, None, vec![]),
        (vec![], totals, &survived, Some(30_001), vec!["zero 30.0 s after"]),
        (vec![], totals, &survived, None, vec!["not seen at zero"]),
        (vec![], totals, &failed, Some(1), vec!["fault 1 (kill_worker of sea): it stayed down"]),
        (lost(), totals, &survived, Some(1), vec!["1 lost"]),
        (vec![], RunTotals::default(), &survived, Some(1), vec!["no event was committed"]),
    ] {
        let outcome = Outcome::judge(violations, totals, faults, drained_ms);
        assert_eq!(outcome.bar_met, reasons.is_empty(), "{:?}", outcome.reasons);
        assert_eq!(outcome.reasons.len(), reasons.len(), "{:?}", outcome.reasons);
        for (told, expected) in outcome.reasons.iter().zip(reasons) {
            assert!(told.contains(expected), "{told}");
        }
    }
}

#[test]
fn violations_are_counted_by_the_promise_that_they_break() {
    let found = [Promise::Lost, Promise::Doubled, Promise::Doubled, Promise::OutOfOrder, Promise::Other];
    let violations = found.map(|promise| violation(promise, "it broke")).to_vec();
    let mut report = small();
    report.outcome = Outcome::judge(violations, report.outcome.totals, &report.faults, Some(4_200));
    let outcome = &report.outcome;
    assert_eq!((outcome.lost, outcome.doubled, outcome.out_of_order, outcome.other), (1, 2, 1, 1));
    assert_eq!(outcome.verdict, Judgement::Broken);
    assert!(
        report.to_html().contains("1 lost, 2 twice, 1 out of order, 1 broken otherwise; backlog zero 4.2 s")
    );
}

#[test]
fn the_summary_has_the_verdict_and_a_row_for_each_kind() {
    let expected = "\
Clean, bar met: 0 lost, 0 twice, order kept; backlog zero 4.2 s after the last heal
12,345 events committed, 12,340 effects, 5 dead letters; 3 faults injected in 20.0 s; Postgres 18.1, nats-server 2.14.3
run again: sea-mq chaos --seed 42 --minutes 1

FAULT        INJECTED  SURVIVED  FAILED  NOT ALLOWED  LONGEST RECOVERY  WORST BACKLOG
kill_worker         2         2       0            0             2.5 s          1,200
partition           1         1       0            0             2.5 s            900
full_disk           0         0       0            1                 -              -
not allowed here: full_disk: mounting needs root
";
    assert_eq!(summary(&small()), expected);
}

#[test]
fn the_command_repeats_the_choice_of_faults() {
    let mut report = small();
    report.only_faults = vec!["kill_worker".to_owned(), "partition".to_owned()];
    assert_eq!(report.command(), "sea-mq chaos --seed 42 --minutes 1 --fault kill_worker --fault partition");
}

fn empty() -> Report {
    let mut report = small();
    (report.faults, report.samples) = (Vec::new(), Vec::new());
    report.outcome = Outcome::judge(Vec::new(), RunTotals::default(), &[], None);
    report
}

fn escaped(text: &str) -> String {
    super::units::Escaped(text).to_string()
}
