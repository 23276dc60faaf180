use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

/// Opens a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenCase {
    /// 1 to 200 characters after trimming.
    pub title: String,
    /// The vibe that it is about, 1 to 64 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vibe_id: Option<String>,
    /// At most 20.
    #[serde(default)]
    pub tasks: Vec<TaskRequest>,
}

/// A task that a case is to be opened with: a title, or a title with what it asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a task is a title, or {\"title\", \"kind\"} with `review` or `follow_up`")]
pub enum TaskRequest {
    /// 1 to 200 characters after trimming; something to do (`follow_up`).
    Title(String),
    /// With what it asks for.
    Kind {
        /// 1 to 200 characters after trimming.
        title: String,
        /// `review` or `follow_up`.
        kind: String,
    },
}

/// Completes a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompleteTask {
    /// Who has done it: 1 to 64 characters after trimming.
    pub completed_by: String,
}

/// Makes the next version of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutPolicy {
    /// CEL over `facts`, at most 2,000 bytes; true when they are in order.
    pub expression: String,
    /// `review` or `reject`.
    pub on_violation: String,
    /// What violators are told: 1 to 500 characters after trimming.
    pub message: String,
    /// False ends the policy: this version takes no part in evaluations.
    #[serde(default = "yes")]
    pub active: bool,
    /// The version that the caller has seen; 0 for a new policy.
    pub expected_version: i32,
}

fn yes() -> bool {
    true
}

/// Asks what the active policies say about facts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluate {
    /// At most 64 KiB of JSON.
    pub facts: Map<String, Value>,
}

/// Which part of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageQuery {
    /// 1 to 100; `None` is 20.
    pub limit: Option<u32>,
    /// `next_cursor` of the page before; `None` is the first page.
    pub cursor: Option<String>,
}

/// Which cases, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaseQuery {
    /// `open` or `closed`; `None` is both.
    pub state: Option<String>,
    /// Only those about this vibe.
    pub vibe_id: Option<String>,
    /// Which part of them.
    pub page: PageQuery,
}

/// What comes along with a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallContext {
    /// 1 to 200 visible ASCII characters. The same command with the same key is carried out once;
    /// later calls get the first result.
    pub idempotency_key: Option<String>,
    /// Travels with the event; without one the event starts its own.
    pub correlation_id: Option<Uuid>,
    /// W3C `traceparent`; travels with the event.
    pub traceparent: Option<String>,
}
