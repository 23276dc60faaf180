//! The worker's side: does a payload keep its contract?

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use jsonschema::Validator;
use serde_json::Value;

use crate::error::ContractsError;
use crate::folder::read_folder;
use crate::violation::{Known, Violation};

/// The contracts that are in force, compiled once. Cloning shares them.
#[derive(Clone, Default)]
pub struct Contracts {
    by_subject: Arc<HashMap<String, Compiled>>,
}

struct Compiled {
    name: String,
    schema: Value,
    known: Known,
    validator: Validator,
}

impl Contracts {
    /// No contract: everything passes, at no cost.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads and compiles every contract below `folder`.
    ///
    /// # Errors
    /// [`ContractsError::Broken`] with every file that is not a contract and the place in it;
    /// [`ContractsError::Read`] when something cannot be read.
    pub fn load(folder: &Path) -> Result<Self, ContractsError> {
        let folder = read_folder(folder)?;
        let mut problems = folder.problems;
        let mut by_subject = HashMap::new();
        for contract in folder.contracts {
            match contract.compile() {
                Ok(validator) => {
                    let (name, known) = (contract.name.to_string(), Known::of(&contract.schema));
                    let compiled = Compiled { name, schema: contract.schema, known, validator };
                    by_subject.insert(contract.name.subject(), compiled);
                }
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() {
            Ok(Self { by_subject: Arc::new(by_subject) })
        } else {
            Err(ContractsError::Broken(problems))
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_subject.len()
    }

    /// True when nothing is checked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_subject.is_empty()
    }

    /// Checks a payload (JSON text) against the contract of its subject. What has no contract passes
    /// and is not even parsed.
    ///
    /// # Errors
    /// [`Violation`]: where and which rule, no value of the payload.
    pub fn check(&self, subject: &str, payload: &[u8]) -> Result<(), Violation> {
        let Some(contract) = self.by_subject.get(subject) else { return Ok(()) };
        let value: Value =
            serde_json::from_slice(payload).map_err(|error| Violation::unreadable(&contract.name, &error))?;
        if contract.validator.is_valid(&value) {
            return Ok(());
        }
        let errors = contract.validator.iter_errors(&value);
        Err(Violation::of(&contract.name, &contract.schema, &contract.known, &value, errors))
    }
}

impl fmt::Debug for Contracts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_subject.keys()).finish()
    }
}
