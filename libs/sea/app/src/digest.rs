use sea_ports::RequestDigest;
use sha2::{Digest as _, Sha256};

/// SHA-256 over the parts of a request, each with its length before it, so that no two requests
/// run together. `None` and an empty text differ.
pub(crate) fn digest<'p>(parts: impl IntoIterator<Item = Option<&'p str>>) -> RequestDigest {
    let mut hash = Sha256::new();
    for part in parts {
        match part {
            Some(text) => {
                hash.update([1]);
                hash.update((text.len() as u64).to_be_bytes());
                hash.update(text.as_bytes());
            }
            None => hash.update([0]),
        }
    }
    RequestDigest(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::digest;

    #[test]
    fn requests_that_differ_have_digests_that_differ() {
        let all = [
            digest([Some("ab"), Some("c")]),
            digest([Some("a"), Some("bc")]),
            digest([Some("abc")]),
            digest([Some(""), Some("abc")]),
            digest([None, Some("abc")]),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(all[at + 1..].iter().all(|other| one != other));
        }
        assert_eq!(digest([Some("ab"), None]), digest([Some("ab"), None]));
    }
}
