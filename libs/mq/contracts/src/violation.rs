//! What a payload breaks, in words that repeat nothing of it.

use std::collections::HashSet;
use std::fmt;

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

use crate::canonical;

/// Most broken rules that a message names.
const NAMED: usize = 5;
/// Longest pointer and longest rule in a message, in characters.
const POINTER_CHARS: usize = 120;
const RULE_CHARS: usize = 80;

/// A payload that breaks its contract: places and rules, no values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    contract: String,
    breaches: Vec<Breach>,
    more: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Breach {
    /// A JSON pointer; empty for the payload as a whole.
    pointer: String,
    rule: String,
}

impl Violation {
    pub(crate) fn of<'a>(
        contract: &str,
        schema: &Value,
        known: &Known,
        payload: &Value,
        errors: impl Iterator<Item = ValidationError<'a>>,
    ) -> Self {
        let mut breaches: Vec<Breach> =
            errors.take(NAMED + 1).map(|error| breach(schema, known, payload, &error)).collect();
        let more = breaches.len() > NAMED;
        breaches.truncate(NAMED);
        Self { contract: contract.to_owned(), breaches, more }
    }

    /// JSON whose numbers or depth nothing here can hold.
    pub(crate) fn unreadable(contract: &str, error: &serde_json::Error) -> Self {
        let rule = format!("cannot be read as JSON at line {} column {}", error.line(), error.column());
        let breaches = vec![Breach { pointer: String::new(), rule }];
        Self { contract: contract.to_owned(), breaches, more: false }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the payload breaks its contract {}: ", self.contract)?;
        for (n, breach) in self.breaches.iter().enumerate() {
            let separator = if n == 0 { "" } else { "; " };
            let pointer = if breach.pointer.is_empty() { "the whole payload" } else { &breach.pointer };
            write!(f, "{separator}{pointer}: {}", breach.rule)?;
        }
        if self.more { f.write_str("; and more") } else { Ok(()) }
    }
}

impl std::error::Error for Violation {}

fn breach(schema: &Value, known: &Known, payload: &Value, error: &ValidationError<'_>) -> Breach {
    let mut pointer = known.mask(payload, error.instance_path().as_str());
    let keyword = error.kind().keyword();
    let rule = if let ValidationErrorKind::Required { property } = error.kind() {
        // The schema's word: what is missing cannot be the payload's.
        pointer.push('/');
        pointer.push_str(property.as_str().unwrap_or_default());
        keyword.to_owned()
    } else {
        let said = schema.pointer(error.schema_path().as_str()).map(canonical::compact);
        said.map_or_else(|| keyword.to_owned(), |said| format!("{keyword} {}", cut(&said, RULE_CHARS)))
    };
    Breach { pointer: cut(&pointer, POINTER_CHARS), rule }
}

fn cut(text: &str, chars: usize) -> String {
    let kept: String = text.chars().take(chars).collect();
    if kept.len() < text.len() { format!("{kept}…") } else { kept }
}

/// The names that a schema gives: only these may be repeated. Any other key of an object comes from
/// the payload.
pub(crate) struct Known(HashSet<String>);

impl Known {
    pub(crate) fn of(schema: &Value) -> Self {
        let mut names = HashSet::new();
        collect(schema, &mut names);
        Self(names)
    }

    /// The pointer with `*` in place of each key that the schema does not name.
    fn mask(&self, payload: &Value, pointer: &str) -> String {
        let (mut masked, mut at) = (String::new(), Some(payload));
        for token in pointer.split('/').skip(1) {
            let key = token.replace("~1", "/").replace("~0", "~");
            let is_index = at.is_some_and(Value::is_array);
            masked.push('/');
            masked.push_str(if is_index || self.0.contains(&key) { token } else { "*" });
            at = match at {
                Some(Value::Array(items)) => key.parse::<usize>().ok().and_then(|n| items.get(n)),
                Some(Value::Object(map)) => map.get(&key),
                Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => None,
            };
        }
        masked
    }
}

fn collect(schema: &Value, names: &mut HashSet<String>) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Object(properties)) = map.get("properties") {
                names.extend(properties.keys().cloned());
            }
            map.values().for_each(|value| collect(value, names));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
