//! Signed calls, in the form of Standard Webhooks 1.0.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Signs calls, so that a handler which is not on this machine knows whose they are.
#[derive(Clone)]
pub struct Signer {
    macs: Arc<[Hmac<Sha256>]>,
}

impl Signer {
    /// Signs with each of the keys: a handler that knows one of them takes the call, so that keys can be
    /// exchanged one side after the other. `None` without any key.
    #[must_use]
    pub fn new(keys: &[Vec<u8>]) -> Option<Self> {
        let macs: Arc<[_]> = keys.iter().filter_map(|key| Hmac::new_from_slice(key).ok()).collect();
        (!macs.is_empty()).then_some(Self { macs })
    }

    /// The value of `webhook-signature`; `at` is in seconds since 1970.
    pub(crate) fn signature(&self, id: &str, at: u64, body: &[u8]) -> String {
        let signatures = self.macs.iter().map(|mac| {
            let mut mac = mac.clone();
            mac.update(format!("{id}.{at}.").as_bytes());
            mac.update(body);
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(***)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::Signer;

    #[test]
    fn signs_as_standard_webhooks_does() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signer = Signer::new(std::slice::from_ref(&key)).unwrap();
        let body = br#"{"test": 2432232314}"#;
        let one = signer.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(one, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let both = Signer::new(&[vec![7; 32], key]).unwrap();
        let both = both.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        let parts: Vec<&str> = both.split(' ').collect();
        assert_eq!((parts.len(), parts[1]), (2, one.as_str()));
        assert!(parts[0].starts_with("v1,") && parts[0] != parts[1]);
        assert!(Signer::new(&[]).is_none());
    }
}
