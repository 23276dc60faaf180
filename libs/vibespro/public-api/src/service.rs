use std::pin::Pin;

use uuid::Uuid;

use crate::{
    CallContext, CreateVibe, Done, PageRequest, RegisterUser, Registered, ScoreVibe, UpdateVibe, VibePage,
    VibeSummary, VibesProError,
};

/// What a call gives back in the end. Boxed, so that the trait can stand behind a `dyn`.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, VibesProError>> + Send + 'a>>;

/// VibesPro's commands and queries.
///
/// A command that fails has changed nothing and emitted nothing, except after
/// [`VibesProError::Unavailable`], which may have cut off the answer of one that was carried out: the
/// same call with the same idempotency key is then safe to repeat.
pub trait VibesPro: Send + Sync {
    /// Registers a user, or renames the one that is there. Emits nothing.
    fn register_user(
        &self,
        user_id: String,
        request: RegisterUser,
        call: CallContext,
    ) -> Answer<'_, Done<Registered>>;

    /// Creates a vibe and emits `vibe_created.v1`.
    fn create_vibe(&self, request: CreateVibe, call: CallContext) -> Answer<'_, Done<VibeSummary>>;

    /// Changes a vibe and emits `vibe_updated.v1`.
    fn update_vibe(
        &self,
        vibe_id: Uuid,
        request: UpdateVibe,
        call: CallContext,
    ) -> Answer<'_, Done<VibeSummary>>;

    /// Scores a vibe and emits `vibe_scored.v1`.
    fn score_vibe(
        &self,
        vibe_id: Uuid,
        request: ScoreVibe,
        call: CallContext,
    ) -> Answer<'_, Done<VibeSummary>>;

    /// One vibe as it stands.
    fn vibe_summary(&self, vibe_id: Uuid) -> Answer<'_, VibeSummary>;

    /// A user's vibes, newest first.
    fn vibes_of_user(&self, user_id: String, page: PageRequest) -> Answer<'_, VibePage>;

    /// Whether commands and queries can be carried out now: the database answers and its schema is there.
    fn ready(&self) -> Answer<'_, ()>;
}
