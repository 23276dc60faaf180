//! The secrets that a worker signs its calls with.

use std::{env, fmt, fs, io};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit};
use sha2::Sha256;

const HERE: &str = "HANDLER_SECRET";
const FILE: &str = "HANDLER_SECRET_FILE";

/// A secret that a worker signs its calls with; whoever knows it is a worker.
#[derive(Clone)]
pub struct Secret(pub(crate) Hmac<Sha256>);

/// Why there is no secret. Never shows any of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// It is written otherwise.
    #[error("secret {place} is none: write whsec_ and the base64 of 24 to 64 bytes")]
    Malformed {
        /// Which of several, from 1 on.
        place: usize,
    },
    /// Two sources.
    #[error("HANDLER_SECRET and HANDLER_SECRET_FILE are both set: choose one")]
    Both,
    /// Set, and yet nothing would be asked for: a handler that takes everybody's calls by mistake.
    #[error("{variable}: holds no secret")]
    Empty {
        /// The environment variable.
        variable: &'static str,
    },
    /// The path is not shown: somebody may have put the secret itself there.
    #[error("HANDLER_SECRET_FILE: the file cannot be read ({0})")]
    Unreadable(io::ErrorKind),
}

impl Secret {
    /// Reads `whsec_` and the base64 of 24 to 64 bytes.
    ///
    /// # Errors
    /// [`SecretError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        Self::at(1, text)
    }

    fn at(place: usize, text: &str) -> Result<Self, SecretError> {
        let key = text.strip_prefix("whsec_").and_then(|written| STANDARD.decode(written).ok());
        let key = key.filter(|key| (24..=64).contains(&key.len()));
        let mac = key.and_then(|key| Hmac::new_from_slice(&key).ok());
        mac.map(Self).ok_or(SecretError::Malformed { place })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// The secrets that the environment names: `HANDLER_SECRET`, several apart by spaces, or the same in the file
/// `HANDLER_SECRET_FILE`. None when neither is set.
///
/// # Errors
/// When both are set, or the one that is holds no secret.
pub fn secrets_from_env() -> Result<Vec<Secret>, SecretError> {
    let of = |name| env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    secrets_from(of(HERE).unwrap_or_default(), of(FILE).unwrap_or_default())
}

fn secrets_from(here: String, file: String) -> Result<Vec<Secret>, SecretError> {
    let (variable, text) = match (here.is_empty(), file.is_empty()) {
        (true, true) => return Ok(Vec::new()),
        (false, true) => (HERE, here),
        (true, false) => {
            (FILE, fs::read_to_string(file).map_err(|error| SecretError::Unreadable(error.kind()))?)
        }
        (false, false) => return Err(SecretError::Both),
    };
    let secrets = text.split_whitespace().enumerate().map(|(place, word)| Secret::at(place + 1, word));
    let secrets: Vec<Secret> = secrets.collect::<Result<_, _>>()?;
    if secrets.is_empty() { Err(SecretError::Empty { variable }) } else { Ok(secrets) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Engine, STANDARD, Secret, secrets_from};

    fn written(bytes: usize) -> String {
        format!("whsec_{}", STANDARD.encode(vec![7; bytes]))
    }

    fn refusal(here: &str, file: &str) -> String {
        secrets_from(here.to_owned(), file.to_owned()).unwrap_err().to_string()
    }

    #[test]
    fn a_secret_has_24_to_64_bytes() {
        for (bytes, fits) in [(23, false), (24, true), (64, true), (65, false)] {
            assert_eq!(Secret::parse(&written(bytes)).is_ok(), fits, "{bytes}");
        }
        for text in ["", "whsec_", "secret", &written(24)[6..], &format!("{}!", written(24))] {
            assert!(Secret::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_environment_names_them_once_and_is_not_repeated() {
        assert!(secrets_from(String::new(), String::new()).unwrap().is_empty());
        let two = format!(" {}  {}\n", written(24), written(32));
        assert_eq!(secrets_from(two.clone(), String::new()).unwrap().len(), 2);
        assert!(refusal(&two, "file").contains("both"));
        assert!(refusal("  ", "").contains("HANDLER_SECRET: holds no"));
        let misplaced = refusal("", &written(24));
        assert!(misplaced.contains("cannot be read") && !misplaced.contains("whsec"), "{misplaced}");
        let malformed = refusal(&format!("{} hunter2", written(24)), "");
        assert!(malformed.contains("secret 2") && !malformed.contains("hunter2"), "{malformed}");
    }
}
