//! JSON in one form: keys sorted, whatever order a map keeps. Pure.

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Without blanks; what a released schema's hash is of.
pub(crate) fn compact(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value, None);
    text
}

/// With two blanks a level and a line end; what is written to files.
pub(crate) fn pretty(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value, Some(0));
    text.push('\n');
    text
}

/// SHA-256 of the compact form, 64 hex digits.
pub(crate) fn hash(value: &Value) -> String {
    Sha256::digest(compact(value)).iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `depth`: how deep the value lies, when lines are to be broken.
fn write(text: &mut String, value: &Value, depth: Option<usize>) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            text.push_str(&value.to_string());
        }
        Value::Array(items) => {
            let items = items.iter().map(|item| (None, item));
            write_all(text, ['[', ']'], items, depth);
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            let entries = entries.into_iter().map(|(key, value)| (Some(key.as_str()), value));
            write_all(text, ['{', '}'], entries, depth);
        }
    }
}

fn write_all<'a>(
    text: &mut String,
    [open, close]: [char; 2],
    entries: impl Iterator<Item = (Option<&'a str>, &'a Value)>,
    depth: Option<usize>,
) {
    text.push(open);
    let within = depth.map(|depth| depth + 1);
    let mut any = false;
    for (key, value) in entries {
        if any {
            text.push(',');
        }
        any = true;
        break_line(text, within);
        if let Some(key) = key {
            text.push_str(&Value::from(key).to_string());
            text.push_str(if depth.is_some() { ": " } else { ":" });
        }
        write(text, value, within);
    }
    if any {
        break_line(text, depth);
    }
    text.push(close);
}

fn break_line(text: &mut String, depth: Option<usize>) {
    if let Some(depth) = depth {
        text.push('\n');
        text.extend(std::iter::repeat_n("  ", depth));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::{compact, hash, pretty};

    fn parse(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn order_and_blanks_do_not_matter_and_content_does() {
        let (a, b) = (
            parse(r#"{"b": [1, {"d": null, "c": "é\n"}], "a": true}"#),
            r#"{"a":true,"b":[1,{"c":"é\n","d":null}]}"#,
        );
        assert_eq!(compact(&a), b);
        assert_eq!(hash(&a), hash(&parse(b)));
        assert_ne!(hash(&a), hash(&json!({})));
        assert_eq!(hash(&json!({})), "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
    }

    #[test]
    fn pretty_is_the_same_value() {
        let value = json!({ "b": [], "a": [1, { "x": {} }] });
        assert_eq!(parse(&pretty(&value)), value);
        assert_eq!(pretty(&json!({ "b": [1], "a": {} })), "{\n  \"a\": {},\n  \"b\": [\n    1\n  ]\n}\n");
    }
}
