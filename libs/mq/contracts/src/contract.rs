use std::path::PathBuf;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use crate::canonical;
use crate::error::Problem;
use crate::name::ContractName;

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// One version of an event: its name and its schema.
#[derive(Clone, Debug)]
pub struct Contract {
    pub(crate) name: ContractName,
    pub(crate) file: PathBuf,
    pub(crate) schema: Value,
}

impl Contract {
    /// Which event's which version.
    #[must_use]
    pub fn name(&self) -> &ContractName {
        &self.name
    }

    /// The schema.
    #[must_use]
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// SHA-256 of the schema's canonical JSON, 64 hex digits: blanks and the order of keys do not
    /// count, every word does.
    #[must_use]
    pub fn hash(&self) -> String {
        canonical::hash(&self.schema)
    }

    /// The compiled schema; references that lead out of the file are refused, nothing is fetched.
    pub(crate) fn compile(&self) -> Result<Validator, Problem> {
        self.check_identity()?;
        if let Err(error) = jsonschema::draft202012::meta::validate(&self.schema) {
            let place = place(error.instance_path().as_str());
            return Err(Problem::at(&self.file, place, format!("is not a JSON Schema: {error}")));
        }
        // Linear in the length of what is matched: a pattern cannot be made to run for ever.
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            .should_ignore_unknown_formats(false)
            .with_pattern_options(PatternOptions::regex())
            .build(&self.schema)
            .map_err(|error| {
                let place = place(error.instance_path().as_str());
                Problem::at(&self.file, place, format!("cannot be compiled: {error}"))
            })
    }

    fn check_identity(&self) -> Result<(), Problem> {
        self.expect("$schema", DIALECT)?;
        self.expect("$id", &self.name.id())
    }

    fn expect(&self, key: &str, wanted: &str) -> Result<(), Problem> {
        match self.schema.get(key) {
            Some(Value::String(found)) if found == wanted => Ok(()),
            Some(found) => {
                Err(Problem::at(&self.file, format!("/{key}"), format!("is {found}: use \"{wanted}\"")))
            }
            None => Err(Problem::of(&self.file, format!("has no {key}: use \"{wanted}\""))),
        }
    }
}

fn place(pointer: &str) -> &str {
    if pointer.is_empty() { "the top" } else { pointer }
}
