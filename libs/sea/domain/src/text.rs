//! Texts with a bound: what is stored and shown of them is what their constructor let in.

use crate::DomainError;

macro_rules! bounded_text {
    ($(#[$doc:meta])* $name:ident, $field:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// Takes a text; spaces at both ends are dropped first.
            ///
            /// # Errors
            /// [`DomainError::Invalid`] when it is empty, too long or holds control characters.
            pub fn parse(text: &str) -> Result<Self, DomainError> {
                bounded($field, text, $max).map(Self)
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

bounded_text!(
    /// Title of a case: 1 to 200 characters.
    CaseTitle, "title", 200
);
bounded_text!(
    /// Title of a task: 1 to 200 characters.
    TaskTitle, "tasks", 200
);
bounded_text!(
    /// Who completed a task: 1 to 64 characters.
    PersonName, "completed_by", 64
);
bounded_text!(
    /// What a policy says to those who violate it: 1 to 500 characters.
    PolicyMessage, "message", 500
);
bounded_text!(
    /// A vibe of the other context, by the identity that it has there: 1 to 64 characters.
    VibeRef, "vibe_id", 64
);

fn bounded(field: &'static str, text: &str, max: usize) -> Result<String, DomainError> {
    let text = text.trim();
    let length = text.chars().count();
    if length == 0 || length > max {
        return Err(DomainError::invalid(field, format!("needs 1 to {max} characters, has {length}")));
    }
    if text.chars().any(char::is_control) {
        return Err(DomainError::invalid(field, "holds a control character; leave it out"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{CaseTitle, PersonName};

    #[test]
    fn texts_are_trimmed_and_bounded_in_characters() {
        for (text, kept) in [
            ("  A title ", Some("A title")),
            ("", None),
            (" \t ", None),
            ("a\u{0}b", None),
            (&"ü".repeat(200), Some(&*"ü".repeat(200))),
            (&"ü".repeat(201), None),
        ] {
            assert_eq!(CaseTitle::parse(text).ok().as_ref().map(CaseTitle::as_str), kept, "{text:?}");
        }
        let refused = PersonName::parse(&"x".repeat(65)).unwrap_err();
        assert_eq!(refused.to_string(), "completed_by: needs 1 to 64 characters, has 65");
    }
}
