use std::fmt;

/// Longest context name: it becomes part of Postgres role names (63 bytes) with a suffix.
const MAX_LEN: usize = 40;

/// The name of a bounded context: lower snake case, starting with a letter, at most 40 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContextName(String);

/// Why a text is not a context name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{given}` is not a context name: use 1 to {MAX_LEN} characters of a-z, 0-9 and `_`, starting with a letter"
)]
pub struct ContextNameError {
    given: String,
}

impl ContextName {
    /// Checks and takes a context name.
    ///
    /// # Errors
    /// [`ContextNameError`] when it is not lower snake case or too long.
    pub fn parse(text: &str) -> Result<Self, ContextNameError> {
        if text.len() <= MAX_LEN && is_lower_snake(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ContextNameError { given: shown(text) })
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `SEA_EVENTS` for `sea`: the context's event stream.
    #[must_use]
    pub fn event_stream(&self) -> String {
        format!("{}_EVENTS", self.0.to_ascii_uppercase())
    }

    /// `SEA_DLQ` for `sea`: the context's dead-letter stream.
    #[must_use]
    pub fn dead_letter_stream(&self) -> String {
        format!("{}_DLQ", self.0.to_ascii_uppercase())
    }

    /// `sea.event.` for `sea`: the prefix of every subject that the context publishes.
    #[must_use]
    pub fn event_prefix(&self) -> String {
        format!("{}.event.", self.0)
    }

    /// `sea.dlq.` for `sea`: the prefix of the dead letters that the context gave up.
    #[must_use]
    pub fn dead_letter_prefix(&self) -> String {
        format!("{}.dlq.", self.0)
    }
}

impl fmt::Display for ContextName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// True for `a`, `vibe_created`, `v2x`: a letter, then letters, digits and underscores.
pub(crate) fn is_lower_snake(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// The beginning of a text that was refused, without control characters: it goes into logs.
pub(crate) fn shown(text: &str) -> String {
    const CHARS: usize = 60;
    let cut = text.char_indices().nth(CHARS);
    let (kept, dots) = cut.map_or((text, ""), |(end, _)| (&text[..end], "…"));
    format!("{}{dots}", kept.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::ContextName;

    #[test]
    fn accepts_lower_snake_only() {
        for good in ["sea", "vibespro", "case_mgmt", "a1"] {
            assert!(ContextName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "Sea", "1sea", "_sea", "sea-mq", "sea.mq", "séa", &"a".repeat(41)] {
            assert!(ContextName::parse(bad).is_err(), "{bad}");
        }
    }
}
