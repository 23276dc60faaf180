use vibespro_domain::Violation;

/// A command's kind. Idempotency keys of different operations have nothing to do with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Registering or renaming a user.
    RegisterUser,
    /// Creating a vibe.
    CreateVibe,
    /// Changing title or description.
    UpdateVibe,
    /// Scoring.
    ScoreVibe,
}

impl Operation {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RegisterUser => "register_user",
            Self::CreateVibe => "create_vibe",
            Self::UpdateVibe => "update_vibe",
            Self::ScoreVibe => "score_vibe",
        }
    }
}

/// What a caller chooses so that a repeated command is carried out once: 1 to 200 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Most characters of a key.
    pub const MAX_CHARS: usize = 200;

    /// Checks.
    ///
    /// # Errors
    /// [`Violation`] of `idempotency_key`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        if (1..=Self::MAX_CHARS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
            return Ok(Self(text.to_owned()));
        }
        Err(Violation::new("idempotency_key", "must be 1 to 200 visible ASCII characters"))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// SHA-256 of a command, to tell a repetition from another command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// What a command leaves in its own transaction, so that its repetition is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// What was done.
    pub operation: Operation,
    /// Under which key.
    pub key: IdempotencyKey,
    /// On which request.
    pub request: Fingerprint,
}

/// What an earlier command left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded<T> {
    /// Its request.
    pub request: Fingerprint,
    /// Its result.
    pub result: T,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::IdempotencyKey;

    #[test]
    fn keys() {
        for good in ["a", "0190-{}~!", &"k".repeat(200)] {
            assert_eq!(IdempotencyKey::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "ä", "tab\t", &"k".repeat(201)] {
            assert_eq!(IdempotencyKey::parse(bad).unwrap_err().field, "idempotency_key", "{bad:?}");
        }
    }
}
