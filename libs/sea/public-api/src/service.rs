use std::pin::Pin;

use uuid::Uuid;

use crate::{
    CallContext, CaseDetails, CasePage, CaseQuery, CompleteTask, Done, Evaluate, EvaluationResult, OpenCase,
    PageQuery, PolicyPage, PolicyVersion, PutPolicy, SeaError,
};

/// What a call gives back in the end. Boxed, so that the trait can stand behind a `dyn`.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, SeaError>> + Send + 'a>>;

/// SEA's commands and queries.
///
/// A command that fails has changed nothing and emitted nothing, except after
/// [`SeaError::Unavailable`], which may have cut off the answer of one that was carried out: the
/// same call with the same idempotency key is then safe to repeat.
pub trait Sea: Send + Sync {
    /// Opens a case and emits `case_created.v1`.
    fn open_case(&self, request: OpenCase, call: CallContext) -> Answer<'_, Done<CaseDetails>>;

    /// Completes a task, which may close its case, and emits `task_completed.v1`.
    fn complete_task(
        &self,
        task_id: Uuid,
        request: CompleteTask,
        call: CallContext,
    ) -> Answer<'_, Done<CaseDetails>>;

    /// A case with its tasks.
    fn case(&self, case_id: Uuid) -> Answer<'_, CaseDetails>;

    /// Cases, newest first.
    fn cases(&self, query: CaseQuery) -> Answer<'_, CasePage>;

    /// Makes the next version of a policy. Emits nothing.
    fn put_policy(&self, name: String, request: PutPolicy) -> Answer<'_, PolicyVersion>;

    /// The latest version of each policy, by name.
    fn policies(&self, page: PageQuery) -> Answer<'_, PolicyPage>;

    /// The versions of a policy, newest first.
    fn policy_versions(&self, name: String, page: PageQuery) -> Answer<'_, PolicyPage>;

    /// What the active policies say about facts. Writes nothing.
    fn evaluate(&self, request: Evaluate) -> Answer<'_, EvaluationResult>;

    /// Whether commands and queries can be carried out now: the database answers and its schema is there.
    fn ready(&self) -> Answer<'_, ()>;
}
