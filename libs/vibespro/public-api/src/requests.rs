use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Registers a user, or renames the one that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterUser {
    /// 1 to 100 characters after trimming, no control characters.
    pub name: String,
}

/// Creates a vibe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateVibe {
    /// Whose it is: a registered user.
    pub user_id: String,
    /// 1 to 120 characters after trimming, no control characters.
    pub title: String,
    /// At most 2,000 characters; of the control characters only line breaks and tabs.
    #[serde(default)]
    pub description: String,
}

/// Changes title, description or both; what is `None` stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateVibe {
    /// The revision that the change was decided on; another one is refused.
    pub expected_revision: i64,
    /// As in [`CreateVibe`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// As in [`CreateVibe`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Gives a vibe its score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreVibe {
    /// The revision that the score was decided on; another one is refused.
    pub expected_revision: i64,
    /// 0 to 100.
    pub score: i64,
}

/// Which part of a user's vibes to list, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageRequest {
    /// 1 to 100; `None` is 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// [`VibePage::next_cursor`](crate::VibePage::next_cursor) of the page before; `None` is the first page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// What comes along with a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallContext {
    /// 1 to 200 visible ASCII characters. The same command with the same key is carried out once;
    /// later calls get the first result.
    pub idempotency_key: Option<String>,
    /// Travels with the event; without one the event starts its own.
    pub correlation_id: Option<Uuid>,
    /// W3C `traceparent`; travels with the event. An ill-formed one is left out.
    pub traceparent: Option<String>,
}
