use time::OffsetDateTime;

use crate::{Description, Revision, Score, Title, UserId, VibeId};

/// What happened to a vibe, as other contexts are told. The meaning of each is fixed for good: what
/// differs is a new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VibeEvent {
    /// A vibe came to be.
    Created {
        /// Which.
        vibe_id: VibeId,
        /// Whose.
        user_id: UserId,
        /// Its title.
        title: Title,
        /// Its description.
        description: Description,
        /// The first.
        revision: Revision,
        /// When.
        created_at: OffsetDateTime,
    },
    /// Title or description changed; both are told.
    Updated {
        /// Which.
        vibe_id: VibeId,
        /// Whose.
        user_id: UserId,
        /// The title from now on.
        title: Title,
        /// The description from now on.
        description: Description,
        /// The one that this change made.
        revision: Revision,
        /// When.
        updated_at: OffsetDateTime,
    },
    /// It got a score.
    Scored {
        /// Which.
        vibe_id: VibeId,
        /// Whose.
        user_id: UserId,
        /// The title that was scored.
        title: Title,
        /// The score.
        score: Score,
        /// The one that this change made.
        revision: Revision,
        /// When.
        scored_at: OffsetDateTime,
    },
}
