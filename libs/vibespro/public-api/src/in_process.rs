use std::sync::Arc;

use uuid::Uuid;
use vibespro_adapters::{AdapterError, Options, PostgresStore, SystemClock, TimeOrderedIds};
use vibespro_app::UseCases;

use crate::service::Answer;
use crate::{
    CallContext, CreateVibe, Done, PageRequest, RegisterUser, Registered, ScoreVibe, UpdateVibe, VibePage,
    VibeSummary, VibesPro, VibesProError, convert,
};

/// VibesPro in this process, over its database. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct InProcess {
    use_cases: Arc<UseCases<PostgresStore, SystemClock, TimeOrderedIds>>,
}

impl InProcess {
    /// Over the database at `url`, as the context's application role. Connects when it is first used,
    /// and again after every loss.
    ///
    /// # Errors
    /// [`AdapterError::BadUrl`].
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn connect(url: &str, options: &Options) -> Result<Self, AdapterError> {
        let store = PostgresStore::connect(url, options)?;
        Ok(Self { use_cases: Arc::new(UseCases::new(store, SystemClock, TimeOrderedIds)) })
    }

    /// Forgets idempotency keys that are older than seven days; returns how many. Somebody has to do
    /// so now and then; several may at once.
    ///
    /// # Errors
    /// [`VibesProError::Unavailable`], [`VibesProError::Internal`].
    pub async fn forget_old_idempotency_keys(&self) -> Result<u64, VibesProError> {
        self.use_cases.forget_old_receipts().await.map_err(convert::error)
    }
}

impl VibesPro for InProcess {
    fn register_user(
        &self,
        user_id: String,
        request: RegisterUser,
        call: CallContext,
    ) -> Answer<'_, Done<Registered>> {
        let command = vibespro_app::RegisterUser { user_id, name: request.name };
        Box::pin(async move {
            let done = self.use_cases.register_user(command, call.into()).await;
            convert::done(done, convert::registered)
        })
    }

    fn create_vibe(&self, request: CreateVibe, call: CallContext) -> Answer<'_, Done<VibeSummary>> {
        Box::pin(async move {
            let done = self.use_cases.create_vibe(request.into(), call.into()).await;
            convert::done(done, convert::summary)
        })
    }

    fn update_vibe(
        &self,
        vibe_id: Uuid,
        request: UpdateVibe,
        call: CallContext,
    ) -> Answer<'_, Done<VibeSummary>> {
        let UpdateVibe { expected_revision, title, description } = request;
        let command = vibespro_app::UpdateVibe { vibe_id, expected_revision, title, description };
        Box::pin(async move {
            let done = self.use_cases.update_vibe(command, call.into()).await;
            convert::done(done, convert::summary)
        })
    }

    fn score_vibe(
        &self,
        vibe_id: Uuid,
        request: ScoreVibe,
        call: CallContext,
    ) -> Answer<'_, Done<VibeSummary>> {
        let ScoreVibe { expected_revision, score } = request;
        let command = vibespro_app::ScoreVibe { vibe_id, expected_revision, score };
        Box::pin(async move {
            let done = self.use_cases.score_vibe(command, call.into()).await;
            convert::done(done, convert::summary)
        })
    }

    fn vibe_summary(&self, vibe_id: Uuid) -> Answer<'_, VibeSummary> {
        Box::pin(async move {
            let found = self.use_cases.vibe_summary(vibe_id).await;
            found.map(convert::summary).map_err(convert::error)
        })
    }

    fn vibes_of_user(&self, user_id: String, page: PageRequest) -> Answer<'_, VibePage> {
        Box::pin(async move {
            let found = self.use_cases.vibes_of_user(user_id, page.into()).await;
            found.map(convert::page).map_err(convert::error)
        })
    }

    fn ready(&self) -> Answer<'_, ()> {
        Box::pin(async move { self.use_cases.ready().await.map_err(convert::error) })
    }
}
