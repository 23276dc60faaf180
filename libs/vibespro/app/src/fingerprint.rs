use sha2::{Digest, Sha256};
use vibespro_ports::Fingerprint;

/// SHA-256 over a request's fields in a fixed order. Each is preceded by its length, and an absent
/// one differs from an empty one, so that no two requests read the same.
pub(crate) fn fingerprint(fields: &[Option<&str>]) -> Fingerprint {
    let mut hash = Sha256::new();
    for field in fields {
        match field {
            Some(text) => {
                hash.update([1]);
                hash.update((text.len() as u64).to_be_bytes());
                hash.update(text.as_bytes());
            }
            None => hash.update([0]),
        }
    }
    Fingerprint(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::fingerprint;

    #[test]
    fn requests_that_differ_anywhere_differ() {
        let requests: [&[Option<&str>]; 6] = [
            &[Some("ab"), Some("c")],
            &[Some("a"), Some("bc")],
            &[Some("abc"), Some("")],
            &[Some("abc"), None],
            &[None, Some("abc")],
            &[Some("abc")],
        ];
        for (i, one) in requests.iter().enumerate() {
            for (j, other) in requests.iter().enumerate() {
                assert_eq!(fingerprint(one) == fingerprint(other), i == j, "{one:?} {other:?}");
            }
        }
    }
}
