use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::describe::Listing;
use crate::reader::{Reader, SecretFound};

/// Keys with which calls of the handlers are signed, one signature each; none: they are not. Prints as `***`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SigningKeys(Vec<Vec<u8>>);

impl SigningKeys {
    /// The keys themselves, 24 to 64 bytes each.
    #[must_use]
    pub fn expose(&self) -> &[Vec<u8>] {
        &self.0
    }

    /// `HANDLER_SECRET`: one or more, separated by spaces.
    pub(crate) fn read(reader: &Reader<'_>) -> Self {
        let SecretFound::Given(name, text) = reader.secret("handler_secret") else { return Self::default() };
        let keys: Option<Vec<Vec<u8>>> = text.expose().split_whitespace().map(key).collect();
        let keys = keys.unwrap_or_default();
        if keys.is_empty() {
            let reason = "is not a secret of Standard Webhooks (value not shown): use whsec_ and the base64 \
                          of 24 to 64 random bytes; several are separated by spaces";
            reader.problems.hidden(&name, reason);
        }
        Self(keys)
    }

    pub(crate) fn describe(&self, into: &mut Listing) {
        if !self.0.is_empty() {
            into.line("handler_secret", "***");
        }
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

fn key(text: &str) -> Option<Vec<u8>> {
    let key = STANDARD.decode(text.strip_prefix("whsec_")?).ok()?;
    (24..=64).contains(&key.len()).then_some(key)
}
