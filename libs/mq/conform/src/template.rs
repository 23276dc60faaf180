//! Payloads that are different in each event: pure.

use serde_json::Value;
use uuid::Uuid;

use crate::ConformError;

/// Stands for a value that no answer may show.
const MARKER: &str = "{marker}";

/// A payload, filled in anew for each event: `{uuid}` in its texts becomes a new UUID, the same one
/// within a payload.
#[derive(Clone, Debug)]
pub struct Template(Value);

impl Template {
    /// Reads JSON; `what` names it in the error.
    ///
    /// # Errors
    /// [`ConformError::Payload`].
    pub fn parse(what: &'static str, text: &str) -> Result<Self, ConformError> {
        serde_json::from_str(text).map(Self).map_err(|source| ConformError::Payload { what, source })
    }

    /// The payload of one event.
    pub(crate) fn fill(&self, marker: &str) -> Value {
        let id = Uuid::new_v4().to_string();
        replaced(&self.0, &|text| text.replace("{uuid}", &id).replace(MARKER, marker))
    }

    /// The same with every field of another type; `None` when it has none.
    pub(crate) fn spoilt(&self) -> Option<Self> {
        let fields = self.0.as_object().filter(|fields| !fields.is_empty())?;
        let spoilt = fields.iter().map(|(name, value)| (name.clone(), of_another_type(value)));
        Some(Self(Value::Object(spoilt.collect())))
    }

    /// The same with one more field, so that it has about so many bytes; `None` when it has no fields.
    pub(crate) fn padded(&self, bytes: usize) -> Option<Self> {
        let mut fields = self.0.as_object()?.clone();
        let filled = self.fill("").to_string().len();
        let padding = "x".repeat(bytes.saturating_sub(filled + 64));
        fields.insert("conform_padding".to_owned(), Value::String(padding));
        Some(Self(Value::Object(fields)))
    }
}

/// A text with the marker for what is no text, and a list of one for what is.
fn of_another_type(value: &Value) -> Value {
    match value {
        Value::String(_) | Value::Null => Value::Array(vec![MARKER.into()]),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => MARKER.into(),
    }
}

fn replaced(value: &Value, with: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(with(text)),
        Value::Array(items) => items.iter().map(|item| replaced(item, with)).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, value)| (name.clone(), replaced(value, with))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::Template;

    fn template(text: &str) -> Template {
        Template::parse("payload", text).unwrap()
    }

    #[test]
    fn each_event_has_ids_of_its_own() {
        let coin = template(r#"{"id": "{uuid}", "of": ["coin/{uuid}"], "n": 1}"#);
        let (one, two) = (coin.fill(""), coin.fill(""));
        assert_ne!(one["id"], two["id"]);
        assert_eq!(one["of"][0], format!("coin/{}", one["id"].as_str().unwrap()));
        assert_eq!(one["n"], 1);
        assert!(Template::parse("payload", "{").is_err());
    }

    #[test]
    fn every_field_is_spoilt_and_marked() {
        let spoilt = template(r#"{"a": "x", "b": 1, "c": [1], "d": null, "e": {}}"#).spoilt().unwrap();
        let expected = json!({ "a": ["m"], "b": "m", "c": "m", "d": ["m"], "e": "m" });
        assert_eq!(spoilt.fill("m"), expected);
        assert!(template("{}").spoilt().is_none() && template("[1]").spoilt().is_none());
    }

    #[test]
    fn padding_reaches_the_size() {
        let large = template(r#"{"id": "{uuid}"}"#).padded(10_000).unwrap().fill("").to_string().len();
        assert!((9_900..=10_000).contains(&large), "{large}");
        assert!(template("[]").padded(10).is_none());
    }
}
