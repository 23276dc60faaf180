use sea_domain::VibeRef;
use sea_ports::{CapabilityError, NewVibe, ScoreVibe, VibeSummary, VibesProCapability};
use vibespro_public_api::{
    AdapterError, CallContext, CreateVibe, InProcess, Options, VibesPro, VibesProError,
};

use super::{summary, vibe_id};

/// VibesPro in this process, over its own database.
#[derive(Clone, Debug)]
pub struct InProcessVibesPro {
    vibespro: InProcess,
}

impl InProcessVibesPro {
    /// Over VibesPro's database at `url`, as its application role. Connects when it is first asked.
    ///
    /// # Errors
    /// [`AdapterError`], when the URL cannot be understood.
    pub fn connect(url: &str) -> Result<Self, AdapterError> {
        Ok(Self { vibespro: InProcess::connect(url, &Options::default())? })
    }
}

impl VibesProCapability for InProcessVibesPro {
    async fn create_vibe(&self, vibe: NewVibe) -> Result<VibeSummary, CapabilityError> {
        let NewVibe { owner, title, description } = vibe;
        let request = CreateVibe { user_id: owner, title, description };
        let made = self.vibespro.create_vibe(request, CallContext::default()).await.map_err(refusal)?;
        summary(made.value)
    }

    async fn score_vibe(&self, score: ScoreVibe) -> Result<VibeSummary, CapabilityError> {
        let ScoreVibe { vibe_id: vibe, score, expected_revision } = score;
        let request = vibespro_public_api::ScoreVibe { expected_revision, score: score.into() };
        let scored = self.vibespro.score_vibe(vibe_id(&vibe)?, request, CallContext::default()).await;
        summary(scored.map_err(refusal)?.value)
    }

    async fn vibe_summary(&self, vibe: &VibeRef) -> Result<VibeSummary, CapabilityError> {
        summary(self.vibespro.vibe_summary(vibe_id(vibe)?).await.map_err(refusal)?)
    }
}

fn refusal(error: VibesProError) -> CapabilityError {
    match error {
        VibesProError::UnknownVibe { .. } => CapabilityError::NotFound,
        VibesProError::StaleRevision { current, .. } => CapabilityError::Stale { current },
        VibesProError::InvalidInput { .. } | VibesProError::UnknownUser { .. } => {
            CapabilityError::Invalid(error.to_string())
        }
        // No key is sent: none can have been used before.
        VibesProError::IdempotencyKeyReused
        | VibesProError::Unavailable { .. }
        | VibesProError::Internal { .. } => CapabilityError::Unavailable {
            doing: "it failed in this process".to_owned(),
            source: Some(Box::new(error)),
        },
    }
}
