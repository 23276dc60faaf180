//! Contracts from files.

use std::fs;
use std::path::{Path, PathBuf};

use crate::contract::Contract;
use crate::error::{ContractsError, Problem};
use crate::generated::GENERATED_FOLDER;
use crate::name::ContractName;
use crate::released::RELEASED_FILE;

/// Largest schema file, in bytes.
const FILE_MAX: u64 = 1024 * 1024;

/// What a folder of contracts holds.
#[derive(Clone, Debug)]
pub struct Folder {
    /// The folder itself.
    pub path: PathBuf,
    /// Its contracts, sorted by name.
    pub contracts: Vec<Contract>,
    /// What is wrong with its files.
    pub problems: Vec<Problem>,
}

/// Reads `<context>/<event>.v<version>.json` below `path`. Names that begin with a dot and files that
/// are not JSON are passed over.
///
/// # Errors
/// [`ContractsError::Read`] when a folder or file cannot be read. What is wrong with the files is in
/// [`Folder::problems`].
pub fn read_folder(path: &Path) -> Result<Folder, ContractsError> {
    let mut folder = Folder { path: path.to_owned(), contracts: Vec::new(), problems: Vec::new() };
    for (name, path) in entries(path)? {
        if path.is_dir() {
            if name != GENERATED_FOLDER {
                folder.read_context(&name, &path)?;
            }
        } else if is_json(&name) && name != RELEASED_FILE {
            let reason = "lies outside of its context's folder: use <context>/<event>.v<version>.json";
            folder.problems.push(Problem::of(path, reason));
        }
    }
    folder.contracts.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(folder)
}

impl Folder {
    fn read_context(&mut self, context: &str, path: &Path) -> Result<(), ContractsError> {
        for (name, path) in entries(path)? {
            if path.is_dir() || !is_json(&name) {
                continue;
            }
            match ContractName::of_file(context, &name) {
                Ok(name) => self.read_contract(name, path)?,
                Err(error) => self.problems.push(Problem::of(path, error.to_string())),
            }
        }
        Ok(())
    }

    fn read_contract(&mut self, name: ContractName, file: PathBuf) -> Result<(), ContractsError> {
        let size = fs::metadata(&file).map_err(ContractsError::read(&file))?.len();
        if size > FILE_MAX {
            self.problems.push(Problem::of(file, format!("is larger than {FILE_MAX} bytes")));
            return Ok(());
        }
        let text = fs::read(&file).map_err(ContractsError::read(&file))?;
        match serde_json::from_slice(&text) {
            Ok(schema) => self.contracts.push(Contract { name, file, schema }),
            Err(error) => self.problems.push(not_json(&file, &error)),
        }
        Ok(())
    }
}

/// The problem of a file that is not JSON.
pub(crate) fn not_json(file: &Path, error: &serde_json::Error) -> Problem {
    let place = format!("line {} column {}", error.line(), error.column());
    Problem::at(file, place, format!("is not JSON: {error}"))
}

/// Names and paths in a folder, sorted; links are followed, as a mounted volume makes them.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, ContractsError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(ContractsError::read(folder))? {
        let path = entry.map_err(ContractsError::read(folder))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !name.starts_with('.') {
            found.push((name, path));
        }
    }
    found.sort();
    Ok(found)
}

fn is_json(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}
