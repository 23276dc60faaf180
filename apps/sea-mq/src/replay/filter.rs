//! From a filter on subjects, as NATS has it, to a regular expression of the database.

/// The expression; an error says what is wrong with the filter.
pub(super) fn pattern(filter: &str) -> Result<String, String> {
    let bad = || format!("`{filter}` is not a subject filter, such as vibespro.event.vibe_created.*");
    let tokens: Vec<&str> = filter.split('.').collect();
    let mut parts = Vec::with_capacity(tokens.len());
    for (n, token) in tokens.iter().enumerate() {
        parts.push(match *token {
            "*" => "[^.]+".to_owned(),
            ">" if n + 1 == tokens.len() => ".+".to_owned(),
            name if is_plain(name) => name.to_owned(),
            _wildcard_within => return Err(bad()),
        });
    }
    Ok(format!("^{}$", parts.join("\\.")))
}

/// Subjects of events have no other characters, so nothing in it means anything to the expression.
fn is_plain(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::pattern;

    #[test]
    fn filters() {
        for (filter, expression) in [
            ("vibespro.event.>", r"^vibespro\.event\..+$"),
            (">", "^.+$"),
            ("a.*.v1", r"^a\.[^.]+\.v1$"),
            ("a.event.vibe_created.v1", r"^a\.event\.vibe_created\.v1$"),
        ] {
            assert_eq!(pattern(filter).unwrap(), expression);
        }
        for bad in ["", "a..b", "a.>.b", "a b", "a.(b|c)", "a.b*", ".a"] {
            assert!(pattern(bad).is_err(), "{bad}");
        }
    }
}
