use sea_domain::VibeRef;
use sea_ports::{CapabilityError, NewVibe, ScoreVibe, VibeSummary, VibesProCapability};

use super::{HttpVibesPro, InProcessVibesPro};

/// One of the two ways to VibesPro, chosen by configuration.
#[derive(Clone, Debug)]
pub enum VibesProAdapter {
    /// In this process.
    InProcess(InProcessVibesPro),
    /// Over the network.
    Http(HttpVibesPro),
}

impl VibesProCapability for VibesProAdapter {
    async fn create_vibe(&self, vibe: NewVibe) -> Result<VibeSummary, CapabilityError> {
        match self {
            Self::InProcess(vibespro) => vibespro.create_vibe(vibe).await,
            Self::Http(vibespro) => vibespro.create_vibe(vibe).await,
        }
    }

    async fn score_vibe(&self, score: ScoreVibe) -> Result<VibeSummary, CapabilityError> {
        match self {
            Self::InProcess(vibespro) => vibespro.score_vibe(score).await,
            Self::Http(vibespro) => vibespro.score_vibe(score).await,
        }
    }

    async fn vibe_summary(&self, vibe_id: &VibeRef) -> Result<VibeSummary, CapabilityError> {
        match self {
            Self::InProcess(vibespro) => vibespro.vibe_summary(vibe_id).await,
            Self::Http(vibespro) => vibespro.vibe_summary(vibe_id).await,
        }
    }
}
