//! The files that are made from contracts, and whether they are as they would be made now.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::contract::Contract;
use crate::error::{ContractsError, Problem};
use crate::model;
use crate::render::{ContextModel, MARK, asyncapi, python, rust, typescript};

/// The folder in the folder of contracts.
pub(crate) const GENERATED_FOLDER: &str = "generated";

/// A file to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedFile {
    /// Below the folder of contracts, such as `generated/asyncapi.json`.
    pub path: String,
    /// What is in it.
    pub content: String,
}

/// How a file differs from what would be generated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drift {
    /// It is not there.
    Missing(String),
    /// It says something else.
    Differs(String),
    /// It was generated once, and would not be now.
    Stray(String),
}

impl Drift {
    /// The file, below the folder of contracts.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Missing(path) | Self::Differs(path) | Self::Stray(path) => path,
        }
    }

    /// The same as a finding.
    #[must_use]
    pub fn problem(&self, folder: &Path) -> Problem {
        let reason = match self {
            Self::Missing(_) => "is missing",
            Self::Differs(_) => "is not what the contracts say",
            Self::Stray(_) => "belongs to no contract any more",
        };
        Problem::of(folder.join(self.path()), format!("{reason}; run `sea-mq contracts generate`"))
    }
}

/// The files of these contracts: Rust, Python, TypeScript, AsyncAPI.
///
/// # Errors
/// [`ContractsError::Broken`] with each place of a schema that types cannot be generated from.
pub fn generate(contracts: &[Contract]) -> Result<Vec<GeneratedFile>, ContractsError> {
    let contexts = contexts(contracts)?;
    let mut files = vec![
        file("rust/mod.rs", rust::index(&contexts)),
        file("python/sea_mq_contracts/__init__.py", python::index(&contexts)),
        file("python/sea_mq_contracts/py.typed", String::new()),
        file("typescript/index.ts", typescript::index(&contexts)),
        file("asyncapi.json", asyncapi::document(contracts)),
    ];
    for model in &contexts {
        let context = &model.context;
        files.push(file(&format!("rust/{context}.rs"), rust::context(model)));
        files.push(file(&format!("python/sea_mq_contracts/{context}.py"), python::context(model)));
        files.push(file(&format!("typescript/{context}.ts"), typescript::context(model)));
    }
    Ok(files)
}

fn file(path: &str, content: String) -> GeneratedFile {
    GeneratedFile { path: format!("{GENERATED_FOLDER}/{path}"), content }
}

/// The contracts are sorted, so that those of a context stand together.
fn contexts(contracts: &[Contract]) -> Result<Vec<ContextModel>, ContractsError> {
    let (mut contexts, mut problems): (Vec<ContextModel>, Vec<Problem>) = (Vec::new(), Vec::new());
    for contract in contracts {
        let event = match model::read(contract) {
            Ok(event) => event,
            Err(found) => {
                problems.extend(found);
                continue;
            }
        };
        match contexts.last_mut() {
            Some(last) if last.context == contract.name.context().as_str() => last.events.push(event),
            Some(_) | None => {
                let context = contract.name.context().to_string();
                contexts.push(ContextModel { context, events: vec![event] });
            }
        }
    }
    if problems.is_empty() { Ok(contexts) } else { Err(ContractsError::Broken(problems)) }
}

/// Compares with what lies in `folder`, a folder of contracts.
///
/// # Errors
/// [`ContractsError::Read`].
pub fn drift(folder: &Path, files: &[GeneratedFile]) -> Result<Vec<Drift>, ContractsError> {
    let mut found = Vec::new();
    for file in files {
        let path = folder.join(&file.path);
        match fs::read(&path) {
            Ok(content) if content == file.content.as_bytes() => {}
            Ok(_) => found.push(Drift::Differs(file.path.clone())),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                found.push(Drift::Missing(file.path.clone()));
            }
            Err(error) => return Err(ContractsError::read(path)(error)),
        }
    }
    for path in marked(&folder.join(GENERATED_FOLDER))? {
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
        if !files.iter().any(|file| file.path == name) {
            found.push(Drift::Stray(name));
        }
    }
    Ok(found)
}

/// Makes the files in `folder` as they should be; only what differs is written.
///
/// # Errors
/// [`ContractsError::Read`], [`ContractsError::Write`].
pub fn write_generated(folder: &Path, files: &[GeneratedFile]) -> Result<Vec<Drift>, ContractsError> {
    let drift = drift(folder, files)?;
    for differing in &drift {
        let path = folder.join(differing.path());
        let content = files.iter().find(|file| file.path == differing.path()).map(|file| &file.content);
        let done = match content {
            Some(content) => {
                path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, content))
            }
            None => fs::remove_file(&path),
        };
        done.map_err(ContractsError::write(path))?;
    }
    Ok(drift)
}

/// The generated files below a folder, known by their mark; sorted.
fn marked(folder: &Path) -> Result<Vec<PathBuf>, ContractsError> {
    let mut found = Vec::new();
    let listed = match fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(ContractsError::read(folder)(error)),
    };
    for entry in listed {
        let path = entry.map_err(ContractsError::read(folder))?.path();
        if path.is_dir() {
            found.extend(marked(&path)?);
        } else if fs::read_to_string(&path).is_ok_and(|text| text.contains(MARK)) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
