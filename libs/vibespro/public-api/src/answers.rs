use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// 1 to 64 of `a-z 0-9 . _ -`.
    pub user_id: String,
    /// What the user is called.
    pub name: String,
}

/// A vibe as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VibeSummary {
    /// Its id.
    pub vibe_id: Uuid,
    /// Whose it is.
    pub user_id: String,
    /// Its title.
    pub title: String,
    /// Its description, possibly empty.
    pub description: String,
    /// From 1; rises by one with every change by a command.
    pub revision: i64,
    /// 0 to 100, once it was scored.
    pub score: Option<i64>,
    /// What governance said about it last, once it did.
    pub decision: Option<Decision>,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When a command changed it last.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// What governance decided about a vibe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// `approved`, `review` or `rejected`.
    pub outcome: String,
    /// Why, when it was said.
    pub reason: Option<String>,
    /// The deciding context's case, when there is one.
    pub case_id: Option<Uuid>,
    /// When it was decided.
    #[serde(with = "time::serde::rfc3339")]
    pub decided_at: OffsetDateTime,
}

/// A part of a user's vibes, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VibePage {
    /// At most as many as were asked for.
    pub items: Vec<VibeSummary>,
    /// Asks for what follows; `None` on the last page.
    pub next_cursor: Option<String>,
}

/// A command's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done<T> {
    /// What there is now; of a replay, what there was then.
    pub value: T,
    /// True when an earlier call with the same idempotency key did it, and this one did nothing.
    pub replayed: bool,
}

/// The result of registering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The user.
    pub user: User,
    /// False when it was there before.
    pub created: bool,
}
