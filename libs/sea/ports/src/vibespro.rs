//! VibesPro as SEA sees it: own types, none of VibesPro's.

use std::error::Error;
use std::future::Future;

use sea_domain::VibeRef;

/// A vibe that SEA has VibesPro create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewVibe {
    /// Whose it is.
    pub owner: String,
    /// Its title.
    pub title: String,
    /// What it is about; may be empty.
    pub description: String,
}

/// A score that SEA has VibesPro give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoreVibe {
    /// Which vibe.
    pub vibe_id: VibeRef,
    /// 0 to 100.
    pub score: u8,
    /// The revision that the score is about.
    pub expected_revision: i64,
}

/// What SEA knows about a vibe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VibeSummary {
    /// Its identity.
    pub vibe_id: VibeRef,
    /// Whose it is.
    pub owner: String,
    /// Its title.
    pub title: String,
    /// From 1; one more with each change.
    pub revision: i64,
    /// 0 to 100, once it was scored.
    pub score: Option<u8>,
}

/// Why VibesPro did not do it. Except for `Unavailable`, nothing of it was done.
#[derive(Debug, thiserror::Error)]
pub enum CapabilityError {
    /// There is no such vibe.
    #[error("there is no such vibe")]
    NotFound,
    /// The vibe has changed since.
    #[error("the vibe has changed since: it is at revision {current}")]
    Stale {
        /// The vibe's revision now.
        current: i64,
    },
    /// VibesPro refuses it as it is.
    #[error("vibespro refuses it: {0}")]
    Invalid(String),
    /// VibesPro cannot be reached or does not answer as agreed; it may or may not have done it.
    #[error("vibespro cannot be used at the moment: {doing}")]
    Unavailable {
        /// What was tried, and what came of it.
        doing: String,
        /// The failure below, if there is one.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
}

/// What SEA asks of VibesPro. In one process or over the network: the answers are the same.
pub trait VibesProCapability: Send + Sync {
    /// Creates a vibe.
    ///
    /// # Errors
    /// [`CapabilityError::Invalid`], [`CapabilityError::Unavailable`].
    fn create_vibe(&self, vibe: NewVibe)
    -> impl Future<Output = Result<VibeSummary, CapabilityError>> + Send;

    /// Scores a vibe.
    ///
    /// # Errors
    /// [`CapabilityError`].
    fn score_vibe(
        &self,
        score: ScoreVibe,
    ) -> impl Future<Output = Result<VibeSummary, CapabilityError>> + Send;

    /// A vibe.
    ///
    /// # Errors
    /// [`CapabilityError::NotFound`], [`CapabilityError::Unavailable`].
    fn vibe_summary(
        &self,
        vibe_id: &VibeRef,
    ) -> impl Future<Output = Result<VibeSummary, CapabilityError>> + Send;
}
