use std::fmt;

use crate::{UserName, Violation};

/// A user's id, chosen by whoever registers: 1 to 64 of `a-z 0-9 . _ -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(String);

impl UserId {
    /// Most characters of an id.
    pub const MAX_CHARS: usize = 64;

    /// Checks.
    ///
    /// # Errors
    /// [`Violation`] of `user_id`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        if (1..=Self::MAX_CHARS).contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Self(text.to_owned()));
        }
        Err(Violation::new("user_id", "must be 1 to 64 characters of a-z, 0-9, `.`, `_` and `-`"))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A registered user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Who.
    pub user_id: UserId,
    /// What the user is called.
    pub name: UserName,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::UserId;

    #[test]
    fn ids() {
        for good in ["a", "ada.lovelace", "u_1-2", &"x".repeat(64)] {
            assert_eq!(UserId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "Ada", "a b", "ä", "a/b", "a\0", &"x".repeat(65)] {
            assert_eq!(UserId::parse(bad).unwrap_err().field, "user_id", "{bad:?}");
        }
    }
}
