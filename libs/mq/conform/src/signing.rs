//! Signed calls, right ones and wrong ones.

use std::fmt;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::ConformError;

/// The handler's secret. Prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Reads `whsec_` and base64; of several, separated by spaces, the first.
    ///
    /// # Errors
    /// [`ConformError::Secret`].
    pub fn parse(text: &str) -> Result<Self, ConformError> {
        let keys: Option<Vec<Self>> = text.split_whitespace().map(Self::one).collect();
        keys.and_then(|keys| keys.into_iter().next()).ok_or(ConformError::Secret)
    }

    fn one(text: &str) -> Option<Self> {
        let key = STANDARD.decode(text.strip_prefix("whsec_")?).ok()?;
        (24..=64).contains(&key.len()).then_some(Self(key))
    }

    fn signature(&self, id: &str, at: i64, body: &[u8]) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(format!("{id}.{at}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }

    /// Another one of the same length.
    fn other(&self) -> Self {
        Self(self.0.iter().map(|byte| byte ^ 0x5a).collect())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// How a request is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signing {
    Right,
    Unsigned,
    WrongKey,
    /// So many seconds off.
    Off(i64),
    /// For a body that is not the request's.
    OtherBody,
    /// A wrong one before the right one, as while secrets are exchanged.
    Several,
}

/// The three headers; none when the request is not signed.
pub(crate) fn headers(
    secret: &Secret,
    signing: Signing,
    id: &str,
    body: &[u8],
) -> Vec<(&'static str, String)> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let now = i64::try_from(now).unwrap_or_default();
    let (at, signature) = match signing {
        Signing::Unsigned => return Vec::new(),
        Signing::Right => (now, secret.signature(id, now, body)),
        Signing::WrongKey => (now, secret.other().signature(id, now, body)),
        Signing::Off(seconds) => (now + seconds, secret.signature(id, now + seconds, body)),
        Signing::OtherBody => (now, secret.signature(id, now, &[body, b" "].concat())),
        Signing::Several => {
            let (wrong, right) = (secret.other().signature(id, now, body), secret.signature(id, now, body));
            (now, format!("{wrong} {right}"))
        }
    };
    vec![
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", at.to_string()),
        ("webhook-signature", signature),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Secret, Signing, headers};

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn signs_as_standard_webhooks_does() {
        let secret = Secret::parse(&format!(" {SECRET} whsec_{} ", "A".repeat(32))).unwrap();
        let signed =
            secret.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(format!("{secret:?}"), "Secret(***)");
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        for bad in [
            "",
            "whsec_",
            "whsec_AAAA",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_!",
            &format!("{SECRET} other"),
        ] {
            assert!(Secret::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn wrong_signatures_are_wrong() {
        let secret = Secret::parse(SECRET).unwrap();
        let signed = |signing| headers(&secret, signing, "id", b"body");
        assert!(signed(Signing::Unsigned).is_empty());
        let right = signed(Signing::Right);
        for wrong in [Signing::WrongKey, Signing::Off(-600), Signing::OtherBody] {
            assert_ne!(signed(wrong)[2], right[2], "{wrong:?}");
        }
        assert_eq!(signed(Signing::Several)[2].1.split(' ').count(), 2);
    }
}
