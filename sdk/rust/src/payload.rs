//! JSON read into types, and what is wrong with it told without a single value of it.

use serde::de::DeserializeOwned;

/// Reads the text straight into the type: no number is rounded that the type can hold.
///
/// # Errors
/// The field that is wrong and why. Never a value: parsers quote what they refuse.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|_| why_not::<T>(text))
}

/// Reads it again and looks where, which is slower.
fn why_not<T: DeserializeOwned>(text: &str) -> String {
    let mut json = serde_json::Deserializer::from_str(text);
    let Err(error) = serde_path_to_error::deserialize::<_, T>(&mut json) else {
        return "more follows after its end".to_owned();
    };
    let reason = without_values(&error.inner().to_string());
    match error.path().to_string().as_str() {
        "." => reason,
        path => format!("{path}: {reason}"),
    }
}

/// The words of serde without what they quote.
fn without_values(words: &str) -> String {
    let words = words.rsplit_once(" at line ").map_or(words, |(words, _)| words);
    let expected = words.rsplit_once(", expected ").map(|(_, expected)| expected);
    let found = |prefix| {
        words.strip_prefix(prefix).and_then(|rest| rest.split(['`', '"', ',']).next()).map(str::trim)
    };
    match (found("invalid type: "), expected) {
        (Some(found), Some(expected)) => return format!("must be {expected}, is {found}"),
        (None, Some(expected)) => return format!("must be {expected}"),
        (Some(_) | None, None) => {}
    }
    // These name a field of the type, not of the text.
    if words.starts_with("missing field `") || words.starts_with("duplicate field `") {
        return words.to_owned();
    }
    "is not valid".to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde::Deserialize;
    use serde_json::value::RawValue;

    use super::read;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Good,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether they can be read matters")]
    struct Inner {
        name: String,
        kind: Kind,
        id: Option<uuid::Uuid>,
    }

    #[derive(Debug, Deserialize)]
    struct Outer {
        #[expect(dead_code, reason = "as above")]
        inner: Vec<Inner>,
        big: u64,
    }

    #[test]
    fn names_the_field_and_quotes_nothing() {
        let cases = [
            (r#"{"big": 1}"#, "missing field `inner`"),
            (r#"{"inner": [], "big": "secret, expected"}"#, "big: must be u64, is string"),
            (r#"{"inner": [], "big": -7}"#, "big: must be u64"),
            (r#"{"inner": [{"name": 7}], "big": 1}"#, "inner[0].name: must be a string, is integer"),
            (r#"{"inner": [{"name": "", "kind": "secret"}], "big": 1}"#, "inner[0].kind: must be `good`"),
            (
                r#"{"inner": [{"name": "", "kind": "good", "id": "secret"}], "big": 1}"#,
                "inner[0].id: is not valid",
            ),
            (r#"{"inner": [{"secret": ""}], "big": 1}"#, "must be one of `name`, `kind`, `id`"),
            (r#""secret""#, "must be struct Outer, is string"),
            (r#"{"secret"#, "is not valid"),
            (r#"{"inner": [], "big": 1} 7"#, "more follows after its end"),
        ];
        for (text, why) in cases {
            let told = read::<Outer>(text).unwrap_err();
            assert!(told.ends_with(why), "{text}: {told}");
            assert!(!told.contains("secret") || told.starts_with("inner[0].secret"), "{text}: {told}");
        }
    }

    #[test]
    fn rounds_no_number() {
        let text = r#"{"inner": [], "big": 18446744073709551615}"#;
        assert_eq!(read::<Outer>(text).unwrap().big, u64::MAX);
        let long = "1234567890.12345678901234567890";
        assert_eq!(read::<Box<RawValue>>(long).unwrap().get(), long);
    }
}
