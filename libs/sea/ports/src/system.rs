use time::OffsetDateTime;
use uuid::Uuid;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now, UTC, to the microsecond: what the database keeps.
    fn now(&self) -> OffsetDateTime;
}

/// Gives identities.
pub trait IdSource: Send + Sync {
    /// One that nobody else has.
    fn next_id(&self) -> Uuid;
}
