//! VibesPro behind SEA's port: translated here, at the border, and nowhere else.

mod chosen;
mod http;
mod in_process;
mod wire;

pub use chosen::VibesProAdapter;
pub use http::{HttpVibesPro, HttpVibesProError};
pub use in_process::InProcessVibesPro;

use sea_domain::VibeRef;
use sea_ports::{CapabilityError, VibeSummary};
use uuid::Uuid;

/// The identity as VibesPro has it. What has another form names none of its vibes.
fn vibe_id(vibe: &VibeRef) -> Result<Uuid, CapabilityError> {
    Uuid::parse_str(vibe.as_str()).map_err(|_of_another_form| CapabilityError::NotFound)
}

/// VibesPro's summary in SEA's words.
fn summary(found: vibespro_public_api::VibeSummary) -> Result<VibeSummary, CapabilityError> {
    let score = found.score.map(u8::try_from).transpose();
    let (Ok(vibe_id), Ok(score)) = (VibeRef::parse(&found.vibe_id.to_string()), score) else {
        let doing = format!("its answer about vibe {} has a score that is none", found.vibe_id);
        return Err(CapabilityError::Unavailable { doing, source: None });
    };
    Ok(VibeSummary { vibe_id, owner: found.user_id, title: found.title, revision: found.revision, score })
}
