//! An event as it travels: name, version and payload, as its contract has it.

use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;
use vibespro_domain::VibeEvent;

/// The type of aggregate whose events stay in order.
pub(super) const AGGREGATE: &str = "vibe";

/// Name and version of the event, as they stand in its subject.
pub(super) fn name(event: &VibeEvent) -> &'static str {
    match event {
        VibeEvent::Created { .. } => "vibe_created.v1",
        VibeEvent::Updated { .. } => "vibe_updated.v1",
        VibeEvent::Scored { .. } => "vibe_scored.v1",
    }
}

/// When it happened.
pub(super) fn occurred_at(event: &VibeEvent) -> OffsetDateTime {
    match event {
        VibeEvent::Created { created_at: at, .. }
        | VibeEvent::Updated { updated_at: at, .. }
        | VibeEvent::Scored { scored_at: at, .. } => *at,
    }
}

/// The body. Once released, a field keeps its name and its meaning.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Payload<'a> {
    Created {
        vibe_id: Uuid,
        user_id: &'a str,
        title: &'a str,
        description: &'a str,
        revision: i64,
        #[serde(with = "time::serde::rfc3339")]
        created_at: OffsetDateTime,
    },
    Updated {
        vibe_id: Uuid,
        user_id: &'a str,
        title: &'a str,
        description: &'a str,
        revision: i64,
        #[serde(with = "time::serde::rfc3339")]
        updated_at: OffsetDateTime,
    },
    Scored {
        vibe_id: Uuid,
        user_id: &'a str,
        title: &'a str,
        score: u8,
        revision: i64,
        #[serde(with = "time::serde::rfc3339")]
        scored_at: OffsetDateTime,
    },
}

impl<'a> From<&'a VibeEvent> for Payload<'a> {
    fn from(event: &'a VibeEvent) -> Self {
        match event {
            VibeEvent::Created { vibe_id, user_id, title, description, revision, created_at } => {
                Self::Created {
                    vibe_id: vibe_id.0,
                    user_id: user_id.as_str(),
                    title: title.as_str(),
                    description: description.as_str(),
                    revision: revision.number(),
                    created_at: *created_at,
                }
            }
            VibeEvent::Updated { vibe_id, user_id, title, description, revision, updated_at } => {
                Self::Updated {
                    vibe_id: vibe_id.0,
                    user_id: user_id.as_str(),
                    title: title.as_str(),
                    description: description.as_str(),
                    revision: revision.number(),
                    updated_at: *updated_at,
                }
            }
            VibeEvent::Scored { vibe_id, user_id, title, score, revision, scored_at } => Self::Scored {
                vibe_id: vibe_id.0,
                user_id: user_id.as_str(),
                title: title.as_str(),
                score: score.number(),
                revision: revision.number(),
                scored_at: *scored_at,
            },
        }
    }
}
