use std::io::{ErrorKind, Write};

use serde::Serialize;
use vibespro_public_api::{Done, MigrateReport, Registered, VibePage, VibeSummary};

use crate::failure::Failure;

/// Prints answers, for people or as one line of JSON each.
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    pub(crate) fn registered(&self, done: &Done<Registered>) -> Result<(), Failure> {
        let Registered { user, created } = &done.value;
        let did = if *created { "registered" } else { "renamed" };
        let text = format!("{did} {}: {}{}", user.user_id, user.name, before(done.replayed));
        self.print(user, &text)
    }

    pub(crate) fn changed(&self, done: &Done<VibeSummary>) -> Result<(), Failure> {
        self.print(&done.value, &format!("{}{}", described(&done.value), before(done.replayed)))
    }

    pub(crate) fn vibe(&self, vibe: &VibeSummary) -> Result<(), Failure> {
        self.print(vibe, &described(vibe))
    }

    pub(crate) fn page(&self, page: &VibePage) -> Result<(), Failure> {
        let mut lines: Vec<String> = page.items.iter().map(in_one_line).collect();
        if let Some(cursor) = &page.next_cursor {
            lines.push(format!("more: --cursor {cursor}"));
        }
        if lines.is_empty() {
            lines.push("no vibes".to_owned());
        }
        self.print(page, &lines.join("\n"))
    }

    pub(crate) fn migrated(&self, report: &MigrateReport) -> Result<(), Failure> {
        let line = |migration: &vibespro_public_api::AppliedMigration| {
            format!("applied {} ({})", migration.version, migration.name)
        };
        let mut lines: Vec<String> = report.applied.iter().map(line).collect();
        if lines.is_empty() {
            lines.push(format!("nothing to do: {} applied before", report.before));
        }
        let applied: Vec<i64> = report.applied.iter().map(|migration| migration.version).collect();
        self.print(&Migrated { applied, before: report.before }, &lines.join("\n"))
    }

    fn print(&self, value: &impl Serialize, text: &str) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        let printed = if self.json {
            serde_json::to_writer(&mut stdout, value).map_err(Into::into).and_then(|()| writeln!(stdout))
        } else {
            writeln!(stdout, "{text}")
        };
        match printed {
            // Whoever read has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            printed => Ok(printed?),
        }
    }
}

#[derive(Serialize)]
struct Migrated {
    applied: Vec<i64>,
    before: usize,
}

fn before(replayed: bool) -> &'static str {
    if replayed { "\n(done before under this idempotency key)" } else { "" }
}

fn score(vibe: &VibeSummary) -> String {
    vibe.score.map_or_else(|| "none".to_owned(), |score| score.to_string())
}

fn in_one_line(vibe: &VibeSummary) -> String {
    let decided = vibe.decision.as_ref().map_or("undecided", |decision| decision.outcome.as_str());
    format!("{}  revision {}  score {}  {decided}  {}", vibe.vibe_id, vibe.revision, score(vibe), vibe.title)
}

fn described(vibe: &VibeSummary) -> String {
    let mut lines = vec![
        format!("vibe      {}", vibe.vibe_id),
        format!("user      {}", vibe.user_id),
        format!("title     {}", vibe.title),
        format!("revision  {}", vibe.revision),
        format!("score     {}", score(vibe)),
    ];
    if !vibe.description.is_empty() {
        lines.insert(3, format!("described {}", vibe.description));
    }
    if let Some(decision) = &vibe.decision {
        let reason = decision.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        lines.push(format!("decision  {}{reason}", decision.outcome));
    }
    lines.join("\n")
}
