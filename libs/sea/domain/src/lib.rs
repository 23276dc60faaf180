//! What SEA is about: cases with their tasks, and the policies by which it governs.
//!
//! Pure: time and identities are handed in, nothing is read or written. A rule that has to hold
//! whoever asks stands here; how a rule's expression is evaluated does not (that is a port).
//!
//! ```text
//!   case:  open ──last open task completed──▶ closed
//!   task:  open ──completed, once──▶ done
//! ```

mod case;
mod error;
mod event;
mod governance;
mod policy;
mod text;

pub use case::{Case, CaseId, CaseState, MAX_TASKS, NewTask, StoredCase, Task, TaskId, TaskKind, TaskState};
pub use error::DomainError;
pub use event::{CaseCreated, CreatedTask, SeaEvent, TaskCompleted};
pub use governance::{Evaluation, Outcome, PolicyRef, PolicyResult, Verdict, judge};
pub use policy::{Expression, MAX_EXPRESSION_BYTES, OnViolation, Policy, PolicyDraft, PolicyName};
pub use text::{CaseTitle, PersonName, PolicyMessage, TaskTitle, VibeRef};
