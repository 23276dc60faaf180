use std::fmt;

use serde_json::{Map, Value};

use super::declare::OWNER_KEY;

/// One declared field of a stream or consumer.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) want: Value,
    /// What it means when the server does not mention the field.
    absent: Value,
    pub(crate) rule: Rule,
}

/// What JetStream allows to do about a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The server changes it, and nothing is lost.
    InPlace,
    /// The server changes it, and a smaller value may delete what is stored.
    Shrinks,
    /// The server changes it, for what is not delivered yet.
    Filter,
    /// The server cannot change it.
    Fixed { way_out: &'static str },
}

/// A field that is not as declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The field, by its name in the server's configuration.
    pub field: String,
    /// What it is.
    pub from: String,
    /// What it is declared to be.
    pub to: String,
    /// What else has to be known, when anything has.
    pub note: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} → {}", self.field, self.from, self.to)?;
        match &self.note {
            Some(note) => write!(f, " ({note})"),
            None => Ok(()),
        }
    }
}

impl Field {
    pub(crate) fn new(name: &'static str, want: Value, absent: Value, rule: Rule) -> Self {
        Self { name, want, absent, rule }
    }

    /// What the server has.
    pub(crate) fn have<'a>(&'a self, config: &'a Value) -> &'a Value {
        match config.get(self.name) {
            None | Some(Value::Null) => &self.absent,
            Some(Value::Array(items)) if items.is_empty() => &self.absent,
            Some(Value::String(text)) if text.is_empty() && self.absent.is_null() => &self.absent,
            Some(have) => have,
        }
    }

    /// True when the server has something else.
    pub(crate) fn differs(&self, config: &Value) -> bool {
        let have = self.have(config);
        !(have == &self.want || same_number(have, &self.want))
    }

    pub(crate) fn change(&self, config: &Value, note: Option<String>) -> Change {
        Change {
            field: self.name.to_owned(),
            from: display(self.name, self.have(config)),
            to: display(self.name, &self.want),
            note,
        }
    }
}

fn same_number(left: &Value, right: &Value) -> bool {
    match (left.as_i64(), right.as_i64()) {
        (Some(left), Some(right)) => left == right,
        (Some(_) | None, None) | (None, Some(_)) => false,
    }
}

/// The owner that a configuration names.
pub(crate) fn owner(config: &Value) -> Option<&str> {
    config.get("metadata")?.get(OWNER_KEY)?.as_str()
}

/// The declared fields, and the owner, written over what the server has: fields that this version
/// does not know stay as they are.
pub(crate) fn merged(config: &Value, fields: &[Field], owner: &str) -> Value {
    let mut merged = config.as_object().cloned().unwrap_or_default();
    for field in fields {
        if field.want.is_null() {
            merged.remove(field.name);
        } else {
            merged.insert(field.name.to_owned(), field.want.clone());
        }
    }
    let metadata = merged.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(metadata) = metadata {
        metadata.insert(OWNER_KEY.to_owned(), Value::from(owner));
    }
    Value::Object(merged)
}

/// A value as a person reads it: times in their largest whole unit, the rest as it is.
fn display(field: &str, value: &Value) -> String {
    let is_time =
        ["max_age", "duplicate_window", "ack_wait", "inactive_threshold", "max_expires"].contains(&field);
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) if is_time => duration(number.as_u64().unwrap_or_default()),
        Value::Number(number) => number.to_string(),
        Value::Array(items) => items.iter().map(|item| display(field, item)).collect::<Vec<_>>().join(", "),
        Value::Bool(_) | Value::Object(_) => value.to_string(),
    }
}

fn duration(nanos: u64) -> String {
    const SECOND: u64 = 1_000_000_000;
    let units = [(86_400 * SECOND, "d"), (3_600 * SECOND, "h"), (60 * SECOND, "min"), (SECOND, "s")];
    let fits = units.iter().find(|(unit, _)| nanos >= *unit && nanos.is_multiple_of(*unit));
    match fits {
        Some((unit, name)) => format!("{}{name}", nanos / unit),
        None if nanos == 0 => "none".to_owned(),
        None => format!("{:?}", std::time::Duration::from_nanos(nanos)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Field, Rule, merged, owner};

    #[test]
    fn what_is_not_mentioned_has_its_default() {
        let field = Field::new("headers_only", json!(false), json!(false), Rule::InPlace);
        assert!(!field.differs(&json!({})));
        assert!(field.differs(&json!({"headers_only": true})));
        let field = Field::new("backoff", json!(null), json!(null), Rule::InPlace);
        assert!(!field.differs(&json!({"backoff": []})));
        assert!(field.differs(&json!({"backoff": [1]})));
        let field = Field::new("deliver_subject", json!(null), json!(null), Rule::InPlace);
        assert!(!field.differs(&json!({"deliver_subject": ""})));
    }

    #[test]
    fn changes_read_like_settings() {
        let field = Field::new("max_age", json!(604_800_000_000_000_u64), json!(0), Rule::Shrinks);
        let change = field.change(&json!({"max_age": 5_400_000_000_000_u64}), None);
        assert_eq!(change.to_string(), "max_age: 90min → 7d");
        let change = field.change(&json!({}), Some("why".to_owned()));
        assert_eq!(change.to_string(), "max_age: none → 7d (why)");
    }

    #[test]
    fn an_update_keeps_what_it_does_not_know() {
        let have = json!({"name": "S", "allow_msg_ttl": true, "backoff": [1], "metadata": {"a": "b"}});
        let fields = [
            Field::new("max_age", json!(1), json!(0), Rule::Shrinks),
            Field::new("backoff", json!(null), json!(null), Rule::InPlace),
        ];
        let want = json!({"name": "S", "allow_msg_ttl": true, "max_age": 1,
            "metadata": {"a": "b", "sea-mq.context": "sea"}});
        let got = merged(&have, &fields, "sea");
        assert_eq!(got, want);
        assert_eq!(owner(&got), Some("sea"));
    }
}
