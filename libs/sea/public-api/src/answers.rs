use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

/// A case with its tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseDetails {
    /// Its identity.
    pub case_id: Uuid,
    /// Its title.
    pub title: String,
    /// The vibe that it is about.
    pub vibe_id: Option<String>,
    /// `open` or `closed`: closed by the completion of its last open task.
    pub state: String,
    /// When it was opened.
    #[serde(with = "time::serde::rfc3339")]
    pub opened_at: OffsetDateTime,
    /// From 1; one more with each change.
    pub revision: i64,
    /// How many of its tasks are open.
    pub open_tasks: usize,
    /// In the order in which they were added.
    pub tasks: Vec<TaskDetails>,
}

/// A task of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskDetails {
    /// Its identity.
    pub task_id: Uuid,
    /// `review` or `follow_up`.
    pub kind: String,
    /// Its title.
    pub title: String,
    /// `open` or `done`.
    pub state: String,
    /// By whom, once it is done.
    pub completed_by: Option<String>,
    /// When, once it is done.
    #[serde(with = "time::serde::rfc3339::option")]
    pub completed_at: Option<OffsetDateTime>,
}

/// A case in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseItem {
    /// Its identity.
    pub case_id: Uuid,
    /// Its title.
    pub title: String,
    /// The vibe that it is about.
    pub vibe_id: Option<String>,
    /// `open` or `closed`.
    pub state: String,
    /// When it was opened.
    #[serde(with = "time::serde::rfc3339")]
    pub opened_at: OffsetDateTime,
    /// From 1; one more with each change.
    pub revision: i64,
    /// How many of its tasks are open.
    pub open_tasks: usize,
}

/// A part of the cases, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CasePage {
    /// At most as many as were asked for.
    pub items: Vec<CaseItem>,
    /// Asks for what follows; `None` on the last page.
    pub next_cursor: Option<String>,
}

/// One version of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyVersion {
    /// Its name.
    pub name: String,
    /// From 1.
    pub version: i32,
    /// CEL over `facts`.
    pub expression: String,
    /// `review` or `reject`.
    pub on_violation: String,
    /// What violators are told.
    pub message: String,
    /// Whether it takes part in evaluations, while it is the latest.
    pub active: bool,
    /// When this version came.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// A part of the policies, or of a policy's versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyPage {
    /// At most as many as were asked for.
    pub items: Vec<PolicyVersion>,
    /// Asks for what follows; `None` on the last page.
    pub next_cursor: Option<String>,
}

/// What the active policies say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvaluationResult {
    /// `approved`, `review` or `rejected`.
    pub outcome: String,
    /// One for each active policy, by name.
    pub policies: Vec<PolicyVerdict>,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub evaluated_at: OffsetDateTime,
}

/// What one policy says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyVerdict {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: i32,
    /// Whether the facts are in order.
    pub passed: bool,
    /// When not: what the policy says, and why it could not be evaluated if so.
    pub message: Option<String>,
}

/// A command's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done<T> {
    /// What there is now; of a replay, what there was then.
    pub value: T,
    /// True when an earlier call with the same idempotency key did it, and this one did nothing.
    pub replayed: bool,
}
