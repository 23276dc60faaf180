//! What was released may be read by others: it never changes again.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde_json::Value;

use crate::canonical;
use crate::contract::Contract;
use crate::error::{ContractsError, Problem};
use crate::folder::not_json;

/// The file in the folder of contracts: name → SHA-256 of the schema's canonical JSON.
pub const RELEASED_FILE: &str = "released.json";

/// The hashes of the released versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Released(BTreeMap<String, String>);

/// Contracts against what was released; names such as `sea/case_created.v1`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Released, and not the same any more.
    pub changed: Vec<String>,
    /// Released, and not there any more.
    pub missing: Vec<String>,
    /// Not released yet: these may still change.
    pub unreleased: Vec<String>,
}

impl Released {
    /// Reads the file in `folder`; none means that nothing was released yet.
    ///
    /// # Errors
    /// [`ContractsError::Read`]; [`ContractsError::Broken`] when it is not an object of hashes.
    pub fn read(folder: &Path) -> Result<Self, ContractsError> {
        let file = folder.join(RELEASED_FILE);
        let text = match fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(ContractsError::read(file)(error)),
        };
        let hashes: Value =
            serde_json::from_slice(&text).map_err(|e| ContractsError::Broken(vec![not_json(&file, &e)]))?;
        let Value::Object(map) = hashes else {
            return Err(ContractsError::Broken(vec![Problem::of(file, "is not a JSON object")]));
        };
        let read = |(name, hash): (String, Value)| match hash {
            Value::String(hash) => Ok((name, hash)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                Err(Problem::at(&file, format!("/{}", name.replace('/', "~1")), "is not a text"))
            }
        };
        let hashes = map.into_iter().map(read).collect::<Result<_, _>>();
        hashes.map(Self).map_err(|problem| ContractsError::Broken(vec![problem]))
    }

    /// Writes the file in `folder`, whole or not at all.
    ///
    /// # Errors
    /// [`ContractsError::Write`].
    pub fn write(&self, folder: &Path) -> Result<(), ContractsError> {
        let map = self.0.iter().map(|(name, hash)| (name.clone(), Value::from(hash.as_str()))).collect();
        let (file, draft) = (folder.join(RELEASED_FILE), folder.join(".released.json.new"));
        fs::write(&draft, canonical::pretty(&Value::Object(map)))
            .and_then(|()| fs::rename(&draft, &file))
            .map_err(ContractsError::write(file))
    }

    /// How many versions were released.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when nothing was released yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What differs.
    #[must_use]
    pub fn compare(&self, contracts: &[Contract]) -> Comparison {
        let mut comparison = Comparison::default();
        let mut missing = self.0.clone();
        for contract in contracts {
            let name = contract.name.to_string();
            match missing.remove(&name) {
                Some(hash) if hash == contract.hash() => {}
                Some(_) => comparison.changed.push(name),
                None => comparison.unreleased.push(name),
            }
        }
        comparison.missing = missing.into_keys().collect();
        comparison
    }

    /// Adds the versions that were not released yet; what was is left as it is.
    pub fn add(&mut self, contracts: &[Contract]) {
        for contract in contracts {
            self.0.entry(contract.name.to_string()).or_insert_with(|| contract.hash());
        }
    }
}
