use uuid::Uuid;
use vibespro_domain::Violation;
use vibespro_ports::{Fingerprint, IdempotencyKey, Operation, Origin, Receipt};

/// What comes along with a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// Makes a repetition of the command get the first result.
    pub idempotency_key: Option<String>,
    /// The conversation that the command is part of.
    pub correlation_id: Option<Uuid>,
    /// W3C `traceparent`; an ill-formed one is left out, as its standard asks.
    pub traceparent: Option<String>,
}

impl Call {
    pub(crate) fn key(&self) -> Option<Result<IdempotencyKey, Violation>> {
        self.idempotency_key.as_deref().map(IdempotencyKey::parse)
    }

    pub(crate) fn origin(self) -> Origin {
        let traceparent = self.traceparent.filter(|text| is_traceparent(text));
        Origin { correlation_id: self.correlation_id, traceparent }
    }
}

/// What the command leaves, if its caller gave a key.
pub(crate) fn receipt(
    operation: Operation,
    key: Option<IdempotencyKey>,
    request: Fingerprint,
) -> Option<Receipt> {
    key.map(|key| Receipt { operation, key, request })
}

/// `version-trace-parent-flags` in lower-case hexadecimal digits.
fn is_traceparent(text: &str) -> bool {
    let hex = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([2, 32, 16, 2]) && parts.iter().all(|part| hex(part))
}

#[cfg(test)]
mod tests {
    use super::is_traceparent;

    #[test]
    fn traceparents() {
        assert!(is_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
        for bad in ["", "00", "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0-0-01", "x\n"] {
            assert!(!is_traceparent(bad), "{bad}");
        }
    }
}
