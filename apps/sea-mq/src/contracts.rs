//! `sea-mq contracts`: the schemas of events, what was released of them, what is generated from them.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use sea_mq_contracts::{Drift, Problem, Report, check, drift, generate, write_generated};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum ContractsCommand {
    /// Check form, names, released versions and generated files; exit code 1 when anything is wrong.
    Check(Folder),
    /// Add versions to released.json: from then on they may not change.
    Release(ReleaseArgs),
    /// Write types for Rust, Python and TypeScript, and the AsyncAPI document, into FOLDER/generated.
    Generate(GenerateArgs),
}

/// Where contracts lie.
#[derive(Debug, Args)]
pub(crate) struct Folder {
    /// The folder with <context>/<event>.v<version>.json.
    #[arg(long = "dir", value_name = "FOLDER", env = "CONTRACTS_DIR", default_value = "contracts")]
    path: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ReleaseArgs {
    #[command(flatten)]
    folder: Folder,
    /// Say what would be released and change nothing.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    #[command(flatten)]
    folder: Folder,
    /// Write nothing; exit code 1 when a file is not as it would be written.
    #[arg(long, visible_alias = "dry-run")]
    check: bool,
}

pub(crate) fn run(command: &ContractsCommand, output: &Output) -> Result<(), Failure> {
    match command {
        ContractsCommand::Check(folder) => run_check(folder, output),
        ContractsCommand::Release(args) => run_release(args, output),
        ContractsCommand::Generate(args) => run_generate(args, output),
    }
}

fn run_check(folder: &Folder, output: &Output) -> Result<(), Failure> {
    let report = check(&folder.path)?;
    let text = if report.findings.is_empty() { all_well(&report) } else { list(&report.findings) };
    output.print(&text, &report_json(&report))?;
    if report.findings.is_empty() { Ok(()) } else { Err(Failure::found()) }
}

fn run_release(args: &ReleaseArgs, output: &Output) -> Result<(), Failure> {
    let path = &args.folder.path;
    let report = check(path)?;
    if !report.findings.is_empty() {
        let found = list(&report.findings);
        return Err(Failure::failed(format!(
            "nothing was released, since contracts are not as they should be:\n{found}"
        )));
    }
    let new = &report.unreleased;
    if !args.dry_run && !new.is_empty() {
        let mut released = report.released;
        released.add(&report.folder.contracts);
        released.write(path)?;
    }
    let text = match (new.is_empty(), args.dry_run) {
        (true, _) => "every version is released already".to_owned(),
        (false, true) => format!("would be released:\n{}", new.join("\n")),
        (false, false) => format!("released, and not to be changed any more:\n{}", new.join("\n")),
    };
    output.print(&text, &json!({ "released": new, "dry_run": args.dry_run }))
}

fn run_generate(args: &GenerateArgs, output: &Output) -> Result<(), Failure> {
    let path = &args.folder.path;
    let folder = sea_mq_contracts::read_folder(path)?;
    if !folder.problems.is_empty() {
        return Err(Failure::failed(list(&folder.problems)));
    }
    let files = generate(&folder.contracts)?;
    let changes = if args.check { drift(path, &files)? } else { write_generated(path, &files)? };
    let text = if changes.is_empty() {
        format!("{} files are as the contracts say", files.len())
    } else {
        changes.iter().map(|change| line(change, args.check)).collect::<Vec<_>>().join("\n")
    };
    let changed: Vec<Value> = changes.iter().map(change_json).collect();
    output.print(&text, &json!({ "files": files.len(), "changes": changed, "check": args.check }))?;
    if args.check && !changes.is_empty() { Err(Failure::found()) } else { Ok(()) }
}

fn all_well(report: &Report) -> String {
    let (count, released) = (report.folder.contracts.len(), report.released.len());
    let mut text = format!("{count} contracts are good, {released} of them released");
    if !report.unreleased.is_empty() {
        text.push_str(&format!(
            "; not released yet, see `sea-mq contracts release`: {}",
            report.unreleased.join(", ")
        ));
    }
    if !report.has_generated {
        text.push_str("; nothing was generated from them");
    }
    text
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn report_json(report: &Report) -> Value {
    let names: Vec<String> = report.folder.contracts.iter().map(|c| c.name().to_string()).collect();
    let findings: Vec<Value> = report
        .findings
        .iter()
        .map(|p| json!({ "file": p.file.display().to_string(), "place": p.place, "reason": p.reason }))
        .collect();
    json!({
        "contracts": names, "released": report.released.len(), "unreleased": report.unreleased,
        "findings": findings,
    })
}

fn line(change: &Drift, only_checked: bool) -> String {
    let path = change.path();
    match (change, only_checked) {
        (Drift::Missing(_), true) => format!("{path}: is missing"),
        (Drift::Differs(_), true) => format!("{path}: is not what the contracts say"),
        (Drift::Stray(_), true) => format!("{path}: belongs to no contract any more"),
        (Drift::Missing(_) | Drift::Differs(_), false) => format!("{path}: written"),
        (Drift::Stray(_), false) => format!("{path}: removed"),
    }
}

fn change_json(change: &Drift) -> Value {
    let kind = match change {
        Drift::Missing(_) => "missing",
        Drift::Differs(_) => "differs",
        Drift::Stray(_) => "stray",
    };
    json!({ "file": change.path(), "was": kind })
}
