//! Texts of people: trimmed where it does not matter, bounded, free of what no database or event can hold.

use std::fmt;

use crate::Violation;

/// A vibe's title: 1 to 120 characters in one line, without space at the ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Title(String);

/// A vibe's description: at most 2,000 characters, kept as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description(String);

/// What a user is called: 1 to 100 characters in one line, without space at the ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserName(String);

impl Title {
    /// Most characters (Unicode scalar values) of a title.
    pub const MAX_CHARS: usize = 120;

    /// Trims and checks.
    ///
    /// # Errors
    /// [`Violation`] of `title`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        one_line("title", text, Self::MAX_CHARS).map(Self)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Description {
    /// Most characters (Unicode scalar values) of a description.
    pub const MAX_CHARS: usize = 2_000;

    /// Checks.
    ///
    /// # Errors
    /// [`Violation`] of `description`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let field = "description";
        at_most(field, text, Self::MAX_CHARS)?;
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return Err(Violation::new(field, "has control characters; only line breaks and tabs may stay"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl UserName {
    /// Most characters (Unicode scalar values) of a name.
    pub const MAX_CHARS: usize = 100;

    /// Trims and checks.
    ///
    /// # Errors
    /// [`Violation`] of `name`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        one_line("name", text, Self::MAX_CHARS).map(Self)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Title {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn one_line(field: &'static str, text: &str, max: usize) -> Result<String, Violation> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(Violation::new(field, format!("is empty; use 1 to {max} characters")));
    }
    at_most(field, trimmed, max)?;
    if trimmed.chars().any(char::is_control) {
        return Err(Violation::new(field, "has control characters; use one line of plain text"));
    }
    Ok(trimmed.to_owned())
}

fn at_most(field: &'static str, text: &str, max: usize) -> Result<(), Violation> {
    let chars = text.chars().count();
    if chars > max {
        return Err(Violation::new(field, format!("has {chars} characters; use at most {max}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Description, Title, UserName};
    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

    #[test]
    fn titles() {
        let long = "é".repeat(120);
        for (text, expected) in
            [("Calm", Some("Calm")), ("  Calm\n", Some("Calm")), (long.as_str(), Some(&*long))]
        {
            assert_eq!(Title::parse(text).unwrap().as_str(), expected.unwrap());
        }
        for bad in ["", " \t ", "two\nlines", "nul\0", &"a".repeat(121)] {
            assert_eq!(Title::parse(bad).unwrap_err().field, "title", "{bad:?}");
        }
    }

    #[test]
    fn descriptions() {
        for good in ["", " kept ", "two\nlines\tand a tab\r\n", &"ü".repeat(2_000)] {
            assert_eq!(Description::parse(good).unwrap().as_str(), good);
        }
        for bad in ["nul\0", "escape\u{1b}", &"a".repeat(2_001)] {
            assert_eq!(Description::parse(bad).unwrap_err().field, "description", "{bad:?}");
        }
    }

    #[test]
    fn names() {
        assert_eq!(UserName::parse(" Ada ").unwrap().as_str(), "Ada");
        assert_eq!(UserName::parse("").unwrap_err().field, "name");
        assert!(UserName::parse(&"a".repeat(101)).is_err());
    }

    proptest! {
        #[test]
        fn accepted_titles_are_bounded_and_stay_as_they_are(text in any::<String>()) {
            if let Ok(title) = Title::parse(&text) {
                prop_assert!((1..=120).contains(&title.as_str().chars().count()));
                prop_assert!(!title.as_str().contains('\0'));
                prop_assert_eq!(Title::parse(title.as_str()), Ok(title));
            }
        }

        #[test]
        fn any_short_plain_text_is_a_title(text in "[a-zäß.!-]{1,120}") {
            prop_assert!(Title::parse(&text).is_ok());
        }

        #[test]
        fn length_is_counted_in_characters(chars in prop::collection::vec(prop::char::range('À', 'Ǿ'), 0..2_100)) {
            let text: String = chars.iter().collect();
            prop_assert_eq!(Description::parse(&text).is_ok(), chars.len() <= 2_000);
        }
    }
}
