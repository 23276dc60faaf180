use time::OffsetDateTime;
use vibespro_domain::{Change, User, UserId, Vibe, VibeId};

use crate::{IdempotencyKey, Operation, Origin, Receipt, Recorded, StoreError, WriteError};

/// A place in a user's vibes, which are sorted by `created_at`, then `vibe_id`, the highest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// When the vibe at this place was created.
    pub created_at: OffsetDateTime,
    /// The vibe at this place.
    pub vibe_id: VibeId,
}

/// What registering did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The user as it is now.
    pub user: User,
    /// False when it was there before.
    pub created: bool,
}

/// Where users are kept.
pub trait Users: Send + Sync {
    /// Registers the user or renames the one that is there, and keeps the receipt: all or nothing.
    ///
    /// # Errors
    /// [`WriteError::KeyTaken`], [`WriteError::Store`].
    fn put_user(
        &self,
        user: &User,
        receipt: Option<&Receipt>,
        now: OffsetDateTime,
    ) -> impl Future<Output = Result<Registration, WriteError>> + Send;

    /// What a registration with this key did, if there was one.
    ///
    /// # Errors
    /// [`StoreError`].
    fn recall_registration(
        &self,
        key: &IdempotencyKey,
    ) -> impl Future<Output = Result<Option<Recorded<Registration>>, StoreError>> + Send;
}

/// Where vibes are kept, each change together with its event.
pub trait Vibes: Send + Sync {
    /// One vibe.
    ///
    /// # Errors
    /// [`StoreError`].
    fn find(&self, vibe_id: VibeId) -> impl Future<Output = Result<Option<Vibe>, StoreError>> + Send;

    /// At most `limit` vibes of a user that come behind `after`; `None` when there is no such user.
    ///
    /// # Errors
    /// [`StoreError`].
    fn page(
        &self,
        user_id: &UserId,
        limit: usize,
        after: Option<Place>,
    ) -> impl Future<Output = Result<Option<Vec<Vibe>>, StoreError>> + Send;

    /// Stores a new vibe, its event and the receipt: all or nothing. A write with the same key that
    /// is under way is waited for.
    ///
    /// # Errors
    /// [`WriteError::UnknownUser`], [`WriteError::KeyTaken`], [`WriteError::Store`].
    fn create(
        &self,
        change: &Change,
        receipt: Option<&Receipt>,
        origin: &Origin,
    ) -> impl Future<Output = Result<Vibe, WriteError>> + Send;

    /// Stores a changed vibe, its event and the receipt: all or nothing, and only when the vibe is
    /// still at the revision before the change. Leaves the decision as it is.
    ///
    /// # Errors
    /// [`WriteError::UnknownVibe`], [`WriteError::Stale`], [`WriteError::KeyTaken`], [`WriteError::Store`].
    fn save(
        &self,
        change: &Change,
        receipt: Option<&Receipt>,
        origin: &Origin,
    ) -> impl Future<Output = Result<Vibe, WriteError>> + Send;

    /// What a write with this key left behind, if there was one.
    ///
    /// # Errors
    /// [`StoreError`].
    fn recall(
        &self,
        operation: Operation,
        key: &IdempotencyKey,
    ) -> impl Future<Output = Result<Option<Recorded<Vibe>>, StoreError>> + Send;
}

/// Looking after the store.
pub trait Upkeep: Send + Sync {
    /// Asks it.
    ///
    /// # Errors
    /// [`StoreError`] says what is missing.
    fn ready(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Forgets at most `limit` receipts from before `before`; returns how many.
    ///
    /// # Errors
    /// [`StoreError`].
    fn forget_receipts(
        &self,
        before: OffsetDateTime,
        limit: i64,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;
}
