use std::fmt;

use time::OffsetDateTime;

use crate::{DomainError, PolicyMessage};

/// Longest expression of a policy, bytes.
pub const MAX_EXPRESSION_BYTES: usize = 2_000;
const MAX_NAME: usize = 64;

/// Name of a policy: 1 to 64 of `a-z`, `0-9` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyName(String);

impl PolicyName {
    /// Takes a name.
    ///
    /// # Errors
    /// [`DomainError::Invalid`] says what is allowed.
    pub fn parse(text: &str) -> Result<Self, DomainError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if text.is_empty() || text.len() > MAX_NAME || !text.bytes().all(allowed) {
            return Err(DomainError::invalid("name", "needs 1 to 64 of a-z, 0-9 and _"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A rule over `facts`, as text; that it compiles is checked by the engine that evaluates it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Expression(String);

impl Expression {
    /// Takes an expression of 1 to [`MAX_EXPRESSION_BYTES`] bytes.
    ///
    /// # Errors
    /// [`DomainError::Invalid`].
    pub fn parse(text: &str) -> Result<Self, DomainError> {
        let text = text.trim();
        if text.is_empty() || text.len() > MAX_EXPRESSION_BYTES {
            let problem = format!("needs 1 to {MAX_EXPRESSION_BYTES} bytes, has {}", text.len());
            return Err(DomainError::invalid("expression", problem));
        }
        if text.contains('\0') {
            return Err(DomainError::invalid("expression", "holds a NUL character; leave it out"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a violation leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnViolation {
    /// Somebody has to look at it.
    Review,
    /// It is refused.
    Reject,
}

impl OnViolation {
    /// The word for it, everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Review => "review",
            Self::Reject => "reject",
        }
    }

    /// From the word for it.
    ///
    /// # Errors
    /// [`DomainError::Invalid`] names the words there are.
    pub fn parse(word: &str) -> Result<Self, DomainError> {
        match word {
            "review" => Ok(Self::Review),
            "reject" => Ok(Self::Reject),
            other => Err(DomainError::invalid(
                "on_violation",
                format!("`{other}` is neither `review` nor `reject`"),
            )),
        }
    }
}

/// What the next version of a policy is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyDraft {
    /// True when the facts are in order.
    pub expression: Expression,
    /// What a violation leads to.
    pub on_violation: OnViolation,
    /// What violators are told.
    pub message: PolicyMessage,
    /// An inactive version takes no part in evaluations: that is how a policy ends.
    pub active: bool,
}

/// One version of a policy. Versions are never changed: a change is the next version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its name.
    pub name: PolicyName,
    /// From 1.
    pub version: i32,
    /// What it says.
    pub draft: PolicyDraft,
    /// When this version came, UTC.
    pub created_at: OffsetDateTime,
}

impl Policy {
    /// The version after `expected` (0: the first).
    ///
    /// # Errors
    /// [`DomainError::Invalid`] for an `expected` that no policy can have.
    pub fn following(
        expected: i32,
        name: PolicyName,
        draft: PolicyDraft,
        now: OffsetDateTime,
    ) -> Result<Self, DomainError> {
        match expected.checked_add(1).filter(|_| expected >= 0) {
            Some(version) => Ok(Self { name, version, draft, created_at: now }),
            None => Err(DomainError::invalid(
                "expected_version",
                "name the version that you have seen, 0 for a new policy",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Expression, MAX_EXPRESSION_BYTES, OnViolation, Policy, PolicyDraft, PolicyName};
    use crate::PolicyMessage;
    use time::OffsetDateTime;

    #[test]
    fn names_are_of_few_characters() {
        for (text, ok) in [
            ("minimum_score", true),
            ("a", true),
            (&*"a".repeat(64), true),
            (&*"a".repeat(65), false),
            ("", false),
            ("Score", false),
            ("a-b", false),
            ("ü", false),
        ] {
            assert_eq!(PolicyName::parse(text).is_ok(), ok, "{text:?}");
        }
    }

    #[test]
    fn expressions_are_bounded_in_bytes() {
        assert!(Expression::parse(&"a".repeat(MAX_EXPRESSION_BYTES)).is_ok());
        assert!(Expression::parse(&"ü".repeat(MAX_EXPRESSION_BYTES)).is_err());
        assert!(Expression::parse("  ").is_err() && Expression::parse("a\0b").is_err());
    }

    #[test]
    fn the_next_version_follows_the_expected_one() {
        let draft = PolicyDraft {
            expression: Expression::parse("true").unwrap(),
            on_violation: OnViolation::Review,
            message: PolicyMessage::parse("no").unwrap(),
            active: true,
        };
        let name = PolicyName::parse("p").unwrap();
        let next = |expected| {
            Policy::following(expected, name.clone(), draft.clone(), OffsetDateTime::UNIX_EPOCH)
                .map(|policy| policy.version)
                .ok()
        };
        for (expected, version) in [(0, Some(1)), (7, Some(8)), (-1, None), (i32::MAX, None)] {
            assert_eq!(next(expected), version, "{expected}");
        }
    }
}
