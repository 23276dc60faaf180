//! Passwords, and the SCRAM-SHA-256 verifier that Postgres stores in their place.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::DatabaseError;

/// Rounds of the key derivation: what Postgres itself uses by default.
const ROUNDS: u32 = 4096;

/// A role's password. Printed as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Takes a password, without the line end that a file may have.
    ///
    /// # Errors
    /// [`DatabaseError::Request`] when it is empty or holds a control character. `what` names its
    /// source in the error.
    pub fn new(what: &str, text: &str) -> Result<Self, DatabaseError> {
        let text = text.trim_end_matches(['\n', '\r']);
        let problem = if text.is_empty() {
            "it is empty"
        } else if text.chars().any(char::is_control) {
            "it holds a control character or several lines; a password is one line"
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(DatabaseError::Request { what: what.to_owned(), problem: problem.to_owned() })
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// What the server stores: the password itself never travels, so it cannot end in a log.
    pub(crate) fn verifier(&self) -> String {
        scram_verifier(&self.0, &rand::random())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// `SCRAM-SHA-256$rounds:salt$stored key:server key`, as RFC 5803 lays it out.
fn scram_verifier(password: &str, salt: &[u8; 16]) -> String {
    // As Postgres does it: what SASLprep refuses is taken as it stands.
    let prepared = stringprep::saslprep(password).unwrap_or(password.into());
    let salted = salted_password(prepared.as_bytes(), salt);
    let stored = Sha256::digest(keyed(&salted, b"Client Key"));
    let server = keyed(&salted, b"Server Key");
    format!(
        "SCRAM-SHA-256${ROUNDS}:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(stored),
        STANDARD.encode(server)
    )
}

/// PBKDF2 with HMAC-SHA-256 and one block.
fn salted_password(password: &[u8], salt: &[u8]) -> [u8; 32] {
    let mut round = keyed(password, &[salt, &1_u32.to_be_bytes()].concat());
    let mut result = round;
    for _ in 1..ROUNDS {
        round = keyed(password, &round);
        result.iter_mut().zip(round).for_each(|(byte, next)| *byte ^= next);
    }
    result
}

fn keyed(key: &[u8], text: &[u8]) -> [u8; 32] {
    // HMAC takes keys of every length.
    #[allow(clippy::expect_used)]
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("any key length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Password, scram_verifier};

    #[test]
    fn line_ends_go_and_secrets_stay_hidden() {
        let password = Password::new("file", "s3cret\r\n").unwrap();
        assert_eq!(password.reveal(), "s3cret");
        assert_eq!(format!("{password:?}"), "***");
        assert!(Password::new("file", "\n").is_err());
        assert!(Password::new("file", "two\nlines").is_err());
    }

    #[test]
    fn verifier_has_the_stored_form() {
        let text = scram_verifier("pencil", &[7; 16]);
        assert!(text.starts_with("SCRAM-SHA-256$4096:BwcHBwcHBwcHBwcHBwcHBw==$"), "{text}");
        assert_eq!(text.len(), 133);
    }
}
