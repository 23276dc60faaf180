//! Signed requests, by the rules of Standard Webhooks: `webhook-id`, `webhook-timestamp` in Unix seconds, and in
//! `webhook-signature` space-separated `v1,BASE64(HMAC-SHA256(key, "{id}.{timestamp}.{body}"))`: one that fits is
//! enough.

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::Mac;

use crate::secret::Secret;

/// How far the clocks of worker and handler may be apart.
const MOST_SECS_OFF: u64 = 300;

/// What is wrong with a request's signature; none when one of the secrets made it within five minutes of `now`, in
/// Unix seconds.
pub(crate) fn why_refused(
    secrets: &[Secret],
    headers: &HeaderMap,
    body: &[u8],
    now: u64,
) -> Option<&'static str> {
    let header = |name| headers.get(name).map_or(&b""[..], |value| value.as_bytes());
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    let Some(at) = seconds(timestamp).filter(|_| !id.is_empty()) else {
        return Some("the request is not signed; set the handler's secret at the worker, in HANDLER_SECRET");
    };
    if now.abs_diff(at) > MOST_SECS_OFF {
        return Some("the signature's time is more than 300 s off; check the clocks");
    }
    let signed = [id, b".", timestamp, b".", body];
    let said = header("webhook-signature").split(|byte| *byte == b' ');
    let mut said = said.filter_map(|word| STANDARD.decode(word.strip_prefix(b"v1,")?).ok());
    let fits = said.any(|said| secrets.iter().any(|secret| is_mac(secret, &signed, &said)));
    (!fits).then_some("the request is signed by another secret; check HANDLER_SECRET of worker and handler")
}

fn seconds(text: &[u8]) -> Option<u64> {
    let digits = (1..=12).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}

/// Takes the same time wherever they differ.
fn is_mac(secret: &Secret, signed: &[&[u8]], said: &[u8]) -> bool {
    let mut mac = secret.0.clone();
    signed.iter().for_each(|part| mac.update(part));
    mac.verify_slice(said).is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{HeaderMap, Secret, why_refused};

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OTHER: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const FITS: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const AT: u64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    fn headers(id: &str, timestamp: &str, signature: &str) -> HeaderMap {
        let named = [("webhook-id", id), ("webhook-timestamp", timestamp), ("webhook-signature", signature)];
        named.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn refused(secrets: &[&str], headers: &HeaderMap, body: &[u8], now: u64) -> Option<&'static str> {
        let secrets: Vec<Secret> = secrets.iter().map(|text| Secret::parse(text).unwrap()).collect();
        why_refused(&secrets, headers, body, now)
    }

    #[test]
    fn takes_what_standard_webhooks_signs() {
        let signed = headers("msg_p5jXN8AQM9LWM0D4loKWxJek", &AT.to_string(), FITS);
        assert_eq!(refused(&[SECRET], &signed, BODY, AT), None);
        assert_eq!(
            refused(&[OTHER, SECRET], &signed, BODY, AT),
            None,
            "secrets are exchanged one side first"
        );
        assert_eq!(refused(&[SECRET], &signed, BODY, AT + 300), None);
        assert_eq!(refused(&[SECRET], &signed, BODY, AT - 300), None);
        let both = headers("msg_p5jXN8AQM9LWM0D4loKWxJek", &AT.to_string(), &format!("v1,AAAA v2,x {FITS}"));
        assert_eq!(refused(&[SECRET], &both, BODY, AT), None);
    }

    #[test]
    fn refuses_everything_else() {
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signed = headers(id, &AT.to_string(), FITS);
        let said = |headers: &HeaderMap, now| refused(&[SECRET], headers, BODY, now).unwrap();
        assert!(said(&signed, AT + 301).contains("clocks") && said(&signed, AT - 301).contains("clocks"));
        assert!(refused(&[OTHER], &signed, BODY, AT).unwrap().contains("another secret"));
        assert!(refused(&[SECRET], &signed, b"{}", AT).unwrap().contains("another secret"));
        assert!(said(&headers("msg_other", &AT.to_string(), FITS), AT).contains("another secret"));
        assert!(said(&headers(id, &(AT + 1).to_string(), FITS), AT).contains("another secret"));
        for signature in ["", "v1,", &FITS[3..], &format!("v2{}", &FITS[2..]), &FITS[..20]] {
            assert!(
                said(&headers(id, &AT.to_string(), signature), AT).contains("another secret"),
                "{signature}"
            );
        }
        for timestamp in ["", "now", "-1", "+1614265330", "1614265330000000"] {
            assert!(said(&headers(id, timestamp, FITS), AT).contains("not signed"), "{timestamp}");
        }
        assert!(said(&headers("", &AT.to_string(), FITS), AT).contains("not signed"));
        assert!(said(&HeaderMap::new(), AT).contains("not signed"));
    }
}
