use sea_domain::DomainError;
use serde_json::{Map, Value};

/// Largest facts of an evaluation, bytes of JSON.
pub const MAX_FACTS_BYTES: usize = 64 * 1024;

/// What policies are evaluated over: a JSON object of at most [`MAX_FACTS_BYTES`].
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    object: Map<String, Value>,
    bytes: usize,
}

impl Facts {
    /// Takes an object.
    ///
    /// # Errors
    /// [`DomainError::Invalid`] when it is too large.
    pub fn new(object: Map<String, Value>) -> Result<Self, DomainError> {
        let bytes = serde_json::to_string(&object).map_or(usize::MAX, |text| text.len());
        if bytes > MAX_FACTS_BYTES {
            let problem = format!("at most {MAX_FACTS_BYTES} bytes of JSON are evaluated, these are {bytes}");
            return Err(DomainError::Invalid { field: "facts", problem });
        }
        Ok(Self { object, bytes })
    }

    /// The facts by name.
    #[must_use]
    pub fn object(&self) -> &Map<String, Value> {
        &self.object
    }

    /// Bytes of its JSON without spaces.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Facts, MAX_FACTS_BYTES};
    use serde_json::{Map, json};

    #[test]
    fn facts_are_bounded() {
        let of = |length: usize| Map::from_iter([("a".to_owned(), json!("x".repeat(length)))]);
        let around = r#"{"a":""}"#.len();
        assert_eq!(Facts::new(of(MAX_FACTS_BYTES - around)).unwrap().bytes(), MAX_FACTS_BYTES);
        assert!(Facts::new(of(MAX_FACTS_BYTES - around + 1)).is_err());
    }
}
