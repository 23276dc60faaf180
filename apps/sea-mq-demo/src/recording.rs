use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;

/// One recorded action of a user of VibesPro.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Action {
    /// Who does it.
    pub(crate) user: String,
    /// What the recording calls the vibe; VibesPro gives it an identity.
    pub(crate) vibe: String,
    /// What is done.
    #[serde(flatten)]
    pub(crate) deed: Deed,
}

/// What a user does to a vibe.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(crate) enum Deed {
    /// Makes it.
    Create {
        /// Its title.
        title: String,
    },
    /// Gives it another title.
    Update {
        /// Its title from now on.
        title: String,
    },
    /// Scores it.
    Score {
        /// 0 to 100.
        score: u8,
    },
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
