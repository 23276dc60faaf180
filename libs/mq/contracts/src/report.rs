//! Everything that can be said against a folder of contracts, at once.

use std::path::Path;

use crate::error::{ContractsError, Problem};
use crate::folder::{Folder, read_folder};
use crate::generated::{GENERATED_FOLDER, drift, generate};
use crate::released::{RELEASED_FILE, Released};

/// What a check found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The contracts that were read.
    pub folder: Folder,
    /// What was released.
    pub released: Released,
    /// Names of the versions that were not released yet; that is no finding.
    pub unreleased: Vec<String>,
    /// True when the folder has generated files, which were compared then.
    pub has_generated: bool,
    /// What is wrong; empty when all is well.
    pub findings: Vec<Problem>,
}

/// Checks form, names, released versions and generated files.
///
/// # Errors
/// [`ContractsError::Read`] when something cannot be read. What is wrong is in [`Report::findings`].
pub fn check(path: &Path) -> Result<Report, ContractsError> {
    let folder = read_folder(path)?;
    let mut findings = folder.problems.clone();
    findings.extend(folder.contracts.iter().filter_map(|contract| contract.compile().err()));
    let released = match Released::read(path) {
        Ok(released) => released,
        Err(ContractsError::Broken(problems)) => {
            findings.extend(problems);
            Released::default()
        }
        Err(error @ (ContractsError::Read { .. } | ContractsError::Write { .. })) => return Err(error),
    };
    let comparison = released.compare(&folder.contracts);
    findings.extend(comparison.changed.iter().map(|name| changed(path, name)));
    findings.extend(comparison.missing.iter().map(|name| missing(path, name)));
    let has_generated = path.join(GENERATED_FOLDER).is_dir();
    // Without the sound contracts all generated files would seem to differ.
    if has_generated && findings.is_empty() {
        match generate(&folder.contracts) {
            Ok(files) => {
                findings.extend(drift(path, &files)?.iter().map(|drift| drift.problem(path)));
            }
            Err(ContractsError::Broken(problems)) => findings.extend(problems),
            Err(error @ (ContractsError::Read { .. } | ContractsError::Write { .. })) => return Err(error),
        }
    }
    Ok(Report { folder, released, unreleased: comparison.unreleased, has_generated, findings })
}

fn changed(path: &Path, name: &str) -> Problem {
    let reason = "was released and has changed: undo it, and put the change into a new version, since the meaning of a released one never changes";
    Problem::of(path.join(format!("{name}.json")), reason)
}

fn missing(path: &Path, name: &str) -> Problem {
    let reason = format!(
        "was released ({RELEASED_FILE}) and is gone: bring it back, since events of it are kept and may be replayed"
    );
    Problem::of(path.join(format!("{name}.json")), reason)
}
