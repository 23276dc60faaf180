//! What was found, for people and for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::rule::{Group, RULES, Rule};
use crate::verdict::Verdict;

/// Where the sections of the handler contract are.
const CONTRACT: &str = "docs/reference/handler-contract.md";

/// One rule, and whether it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// Whether it is kept.
    pub verdict: Verdict,
}

/// How many findings there are of each verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Kept.
    pub passed: usize,
    /// Not kept.
    pub failed: usize,
    /// Not judged.
    pub not_applicable: usize,
}

/// Every rule once, in the order of [`RULES`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What was found.
    pub findings: Vec<Finding>,
    /// What the run left open in the inbox, and why.
    pub unfinished: Option<String>,
}

impl Report {
    pub(crate) fn of(mut findings: Vec<Finding>) -> Self {
        let place = |finding: &Finding| RULES.iter().position(|rule| rule.name == finding.rule.name);
        findings.sort_by_key(place);
        Self { findings, unfinished: None }
    }

    /// Counts them.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for finding in &self.findings {
            match finding.verdict {
                Verdict::Passed => totals.passed += 1,
                Verdict::Failed(_) => totals.failed += 1,
                Verdict::NotApplicable(_) => totals.not_applicable += 1,
            }
        }
        totals
    }

    /// The names of the rules that are not kept.
    #[must_use]
    pub fn failed(&self) -> Vec<&'static str> {
        let failed = self.findings.iter().filter(|finding| matches!(finding.verdict, Verdict::Failed(_)));
        failed.map(|finding| finding.rule.name).collect()
    }

    /// Grouped lines; of a rule that is not kept also what was expected, what came, and where it is written.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let mut group: Option<Group> = None;
        for finding in &self.findings {
            if group != Some(finding.rule.group) {
                group = Some(finding.rule.group);
                push(&mut text, format_args!("{}\n", finding.rule.group));
            }
            describe(&mut text, finding);
        }
        let Totals { passed, failed, not_applicable } = self.totals();
        push(&mut text, format_args!("{passed} passed, {failed} failed, {not_applicable} not applicable\n"));
        if let Some(unfinished) = &self.unfinished {
            push(&mut text, format_args!("{unfinished}\n"));
        }
        text
    }

    /// The same for programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Totals { passed, failed, not_applicable } = self.totals();
        let rules: Vec<Value> = self.findings.iter().map(as_json).collect();
        json!({
            "passed": passed,
            "failed": failed,
            "not_applicable": not_applicable,
            "unfinished": self.unfinished,
            "rules": rules,
        })
    }
}

fn describe(text: &mut String, finding: &Finding) {
    let rule = finding.rule;
    match &finding.verdict {
        Verdict::Passed => push(text, format_args!("  passed  {}\n", rule.name)),
        Verdict::NotApplicable(why) => {
            push(text, format_args!("  -       {} (not applicable: {why})\n", rule.name));
        }
        Verdict::Failed(came) => push(
            text,
            format_args!(
                "  FAILED  {}\n            expected  {}\n            came      {came}\n            contract  {CONTRACT}#{}\n",
                rule.name, rule.expected, rule.section
            ),
        ),
    }
}

fn push(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = text.write_fmt(what);
}

fn as_json(finding: &Finding) -> Value {
    let (verdict, detail) = match &finding.verdict {
        Verdict::Passed => ("passed", None),
        Verdict::Failed(came) => ("failed", Some(came)),
        Verdict::NotApplicable(why) => ("not_applicable", Some(why)),
    };
    json!({
        "rule": finding.rule.name,
        "group": finding.rule.group.to_string(),
        "verdict": verdict,
        "expected": finding.rule.expected,
        "came": detail,
        "contract": format!("{CONTRACT}#{}", finding.rule.section),
    })
}

#[cfg(test)]
mod tests {
    use super::{Finding, Report, Totals};
    use crate::rule::{LIVE, MARKED, RULES, TRACE};
    use crate::verdict::Verdict;

    #[test]
    fn findings_are_told_in_order_with_what_came() {
        let finding = |rule, verdict| Finding { rule, verdict };
        let report = Report::of(vec![
            finding(&TRACE, Verdict::NotApplicable("nothing".to_owned())),
            finding(&MARKED, Verdict::Failed("the row is `running`".to_owned())),
            finding(&LIVE, Verdict::Passed),
        ]);
        assert_eq!(report.totals(), Totals { passed: 1, failed: 1, not_applicable: 1 });
        assert_eq!(report.failed(), ["call.marked"]);
        let text = report.to_text();
        let first = "Health\n  passed  health.live\nCalls\n  FAILED  call.marked\n";
        assert!(text.starts_with(first) && text.contains("came      the row is `running`"), "{text}");
        assert!(text.ends_with("1 passed, 1 failed, 1 not applicable\n"), "{text}");
        assert_eq!(report.to_json()["rules"][1]["verdict"], "failed");
        let report = Report { unfinished: Some("1 is open".to_owned()), ..report };
        assert!(report.to_text().ends_with("not applicable\n1 is open\n"), "{}", report.to_text());
        assert_eq!(report.to_json()["unfinished"], "1 is open");
    }

    #[test]
    fn rules_have_one_name_each() {
        for (place, rule) in RULES.iter().enumerate() {
            assert!(!RULES[..place].iter().any(|other| other.name == rule.name), "{}", rule.name);
        }
    }
}
