use std::fmt;

use crate::context::{ContextName, is_lower_snake, shown};

/// Longest subject in bytes.
const MAX_LEN: usize = 200;

/// An event's subject: `{context}.event.{event_name}.v{version}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    context: ContextName,
    event_type: String,
    version: i32,
}

/// Why a text is not an event's subject.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{given}` is not an event subject: use {{context}}.event.{{event_name}}.v{{version}} in lower snake case, such as sea.event.case_created.v1"
)]
pub struct SubjectError {
    given: String,
}

impl Subject {
    /// Checks and takes a subject apart.
    ///
    /// # Errors
    /// [`SubjectError`] when the text does not follow the grammar.
    pub fn parse(text: &str) -> Result<Self, SubjectError> {
        Self::try_parse(text).ok_or_else(|| SubjectError { given: shown(text) })
    }

    fn try_parse(text: &str) -> Option<Self> {
        if text.len() > MAX_LEN {
            return None;
        }
        let mut tokens = text.split('.');
        let context = ContextName::parse(tokens.next()?).ok()?;
        let ("event", event_type, version) = (tokens.next()?, tokens.next()?, tokens.next()?) else {
            return None;
        };
        if tokens.next().is_some() || !is_lower_snake(event_type) {
            return None;
        }
        Some(Self { context, event_type: event_type.to_owned(), version: parse_version(version)? })
    }

    /// The context that publishes it.
    #[must_use]
    pub fn context(&self) -> &ContextName {
        &self.context
    }

    /// The event's name without its version, such as `vibe_created`.
    #[must_use]
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// The contract's version, from 1.
    #[must_use]
    pub fn version(&self) -> i32 {
        self.version
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.event.{}.v{}", self.context, self.event_type, self.version)
    }
}

/// `v1` → 1; no sign, no leading zero, at most nine digits.
fn parse_version(token: &str) -> Option<i32> {
    let digits = token.strip_prefix('v')?;
    let plain = digits.len() <= 9 && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::Subject;

    #[test]
    fn table() {
        let good = Subject::parse("vibespro.event.vibe_created.v12").unwrap();
        assert_eq!(
            (good.context().as_str(), good.event_type(), good.version()),
            ("vibespro", "vibe_created", 12)
        );
        for bad in [
            "",
            "vibespro.event.vibe_created",
            "vibespro.event.vibe_created.1",
            "vibespro.event.vibe_created.v0",
            "vibespro.event.vibe_created.v01",
            "vibespro.event.vibe_created.v-1",
            "vibespro.event.VibeCreated.v1",
            "vibespro.dlq.vibe_created.v1",
            "vibespro.event.vibe.created.v1",
            "vibespro.event.vibe_created.v1.",
            "vibespro.event.*.v1",
            "vibespro.event.vibe created.v1",
            "vibespro.event.vibe_created.v99999999999",
        ] {
            assert!(Subject::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text in "\\PC{0,80}") {
            if let Ok(subject) = Subject::parse(&text) {
                prop_assert_eq!(subject.to_string(), text);
            }
        }

        #[test]
        fn well_formed_round_trips(c in "[a-z][a-z0-9_]{0,20}", e in "[a-z][a-z0-9_]{0,40}", v in 1..1_000_000) {
            let text = format!("{c}.event.{e}.v{v}");
            prop_assert_eq!(Subject::parse(&text).unwrap().to_string(), text);
        }
    }
}
