use sea_domain::DomainError;
use uuid::Uuid;

/// Where a command comes from: travels with the events that it causes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The chain of events that this belongs to; without it the event starts one.
    pub correlation_id: Option<Uuid>,
    /// W3C `traceparent`.
    pub traceparent: Option<String>,
}

/// A key by which a caller marks all tries of one request: 1 to 200 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Takes a key.
    ///
    /// # Errors
    /// [`DomainError::Invalid`] says what is allowed.
    pub fn parse(text: &str) -> Result<Self, DomainError> {
        if text.is_empty() || text.len() > 200 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let problem = "needs 1 to 200 visible ASCII characters".to_owned();
            return Err(DomainError::Invalid { field: "Idempotency-Key", problem });
        }
        Ok(Self(text.to_owned()))
    }

    /// The key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// SHA-256 of what a request asks for: tells a second try from another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestDigest(pub [u8; 32]);

/// A command that is to be carried out once, however often it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// The operation: the same key under another one is another key.
    pub operation: &'static str,
    /// The caller's key.
    pub key: IdempotencyKey,
    /// What is asked for.
    pub digest: RequestDigest,
}

/// What a store needs to know about a command besides what it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// Identity of the event that it emits: chosen once, also if the transaction is repeated.
    pub event_id: Uuid,
    /// Where it comes from.
    pub trace: Trace,
    /// Set when the caller gave a key.
    pub once: Option<Once>,
}

/// What a command has led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied<T> {
    /// Done now.
    Now(T),
    /// Done before under this key: the first result again; nothing was changed or emitted.
    Before(T),
}
