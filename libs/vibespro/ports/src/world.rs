use time::OffsetDateTime;
use vibespro_domain::VibeId;

/// What the time is.
pub trait Clock: Send + Sync {
    /// Now, UTC, in whole microseconds: what a store gives back unchanged.
    fn now(&self) -> OffsetDateTime;
}

/// Where ids come from.
pub trait Ids: Send + Sync {
    /// One that no vibe has.
    fn vibe_id(&self) -> VibeId;
}
