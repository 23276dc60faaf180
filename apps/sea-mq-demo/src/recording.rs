use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

/// One recorded user action of vibespro and the event that tells of it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Action {
    /// The event's id.
    pub(crate) id: Uuid,
    /// When the user did it.
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) occurred_at: OffsetDateTime,
    /// The event's name.
    #[serde(rename = "type")]
    pub(crate) event_type: String,
    /// The event's payload; it holds the vibe.
    pub(crate) payload: Value,
}

/// The parts of a payload that vibespro keeps as its state.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Vibe {
    pub(crate) vibe_id: String,
    pub(crate) user_id: String,
    pub(crate) revision: i32,
    pub(crate) title: Option<String>,
    pub(crate) score: Option<i32>,
    rehearsal: Option<Rehearsal>,
}

/// What the recording asks of sea's handler.
#[derive(Clone, Debug, Deserialize)]
struct Rehearsal {
    unavailable_attempts: u32,
}

impl Action {
    /// The vibe as of this action.
    pub(crate) fn vibe(&self) -> anyhow::Result<Vibe> {
        serde_json::from_value(self.payload.clone()).with_context(|| format!("recorded action {}", self.id))
    }
}

/// Reads the recording, one JSON object a line.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<Action>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the recording {}", path.display()))?;
    text.lines()
        .enumerate()
        .map(|(index, line)| {
            serde_json::from_str(line)
                .with_context(|| format!("{} line {} is no recorded action", path.display(), index + 1))
        })
        .collect()
}

/// The action whose way is shown step by step: a score whose handler is unavailable twice.
pub(crate) fn to_follow(actions: &[Action]) -> Option<&Action> {
    actions.iter().find(|action| {
        let rehearsal = action.vibe().ok().and_then(|vibe| vibe.rehearsal);
        rehearsal.is_some_and(|rehearsal| rehearsal.unavailable_attempts == 2)
    })
}
