use sea_domain::{
    Case, CaseId, CaseTitle, NewTask, PersonName, SeaEvent, TaskId, TaskKind, TaskTitle, VibeRef,
};
use sea_ports::{
    Applied, CaseFilter, CasePosition, CaseStore, CaseSummary, Clock, Command, IdSource, Once, Page,
    PageRequest, VibesProCapability,
};

use crate::digest::digest;
use crate::{Call, SeaError};

/// Name of the operation that opens a case, among idempotency keys.
pub const OPEN_CASE: &str = "open_case";
/// Name of the operation that completes a task, among idempotency keys.
pub const COMPLETE_TASK: &str = "complete_task";

/// A task that a case is to be opened with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedTask {
    /// What it asks for.
    pub kind: TaskKind,
    /// Its title.
    pub title: TaskTitle,
}

/// Open a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenCase {
    /// Its title.
    pub title: CaseTitle,
    /// The vibe that it is about.
    pub vibe_id: Option<VibeRef>,
    /// Its tasks, at most [`sea_domain::MAX_TASKS`].
    pub tasks: Vec<RequestedTask>,
}

/// Complete a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompleteTask {
    /// Which one.
    pub task_id: TaskId,
    /// Who has done it.
    pub completed_by: PersonName,
}

/// The use cases about cases.
#[derive(Clone, Debug)]
pub struct Cases<S, V, C, I> {
    store: S,
    vibespro: Option<V>,
    clock: C,
    ids: I,
}

impl<S: CaseStore, V: VibesProCapability, C: Clock, I: IdSource> Cases<S, V, C, I> {
    /// Over these ports. Without `vibespro` nobody is asked whether a case's vibe exists.
    pub fn new(store: S, vibespro: Option<V>, clock: C, ids: I) -> Self {
        Self { store, vibespro, clock, ids }
    }

    /// Opens a case and emits `case_created`.
    ///
    /// # Errors
    /// [`SeaError`].
    pub async fn open(&self, request: OpenCase, call: Call) -> Result<Applied<Case>, SeaError> {
        let once = once(&call, OPEN_CASE, || open_digest(&request));
        // Asked first: a second try must not depend on what the first one needed.
        if let Some(once) = &once
            && let Some(case) = self.store.carried_out(once).await?
        {
            return Ok(Applied::Before(case));
        }
        let (case, event) = self.new_case(request)?;
        if let (Some(vibespro), Some(vibe)) = (&self.vibespro, &case.fields().vibe_id) {
            vibespro.vibe_summary(vibe).await?;
        }
        let command = Command { event_id: self.ids.next_id(), trace: call.trace, once };
        Ok(self.store.open(&case, &event, &command).await?)
    }

    /// Completes a task, which may close its case, and emits `task_completed`.
    ///
    /// # Errors
    /// [`SeaError`].
    pub async fn complete_task(&self, request: CompleteTask, call: Call) -> Result<Applied<Case>, SeaError> {
        let once = once(&call, COMPLETE_TASK, || {
            let task = request.task_id.to_string();
            digest([Some(task.as_str()), Some(request.completed_by.as_str())])
        });
        let command = Command { event_id: self.ids.next_id(), trace: call.trace, once };
        let (task, by) = (request.task_id, request.completed_by);
        let decide = |case: &mut Case| case.complete_task(task, by, self.clock.now());
        Ok(self.store.change_by_task(task, &command, decide).await?)
    }

    /// A case with its tasks.
    ///
    /// # Errors
    /// [`SeaError::UnknownCase`] and the store's.
    pub async fn case(&self, case_id: CaseId) -> Result<Case, SeaError> {
        self.store.case(case_id).await?.ok_or(SeaError::UnknownCase)
    }

    /// Cases, newest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn cases(
        &self,
        filter: &CaseFilter,
        page: PageRequest<CasePosition>,
    ) -> Result<Page<CaseSummary, CasePosition>, SeaError> {
        Ok(self.store.cases(filter, page).await?)
    }

    fn new_case(&self, request: OpenCase) -> Result<(Case, SeaEvent), SeaError> {
        let task = |task: RequestedTask| NewTask {
            task_id: TaskId(self.ids.next_id()),
            kind: task.kind,
            title: task.title,
        };
        let tasks = request.tasks.into_iter().map(task).collect();
        let case_id = CaseId(self.ids.next_id());
        Ok(Case::open(case_id, request.title, request.vibe_id, tasks, self.clock.now())?)
    }
}

fn once(
    call: &Call,
    operation: &'static str,
    digest: impl FnOnce() -> sea_ports::RequestDigest,
) -> Option<Once> {
    call.key.clone().map(|key| Once { operation, key, digest: digest() })
}

fn open_digest(request: &OpenCase) -> sea_ports::RequestDigest {
    let vibe = request.vibe_id.as_ref().map(VibeRef::as_str);
    let tasks = request.tasks.iter().flat_map(|task| [Some(task.kind.as_str()), Some(task.title.as_str())]);
    digest([Some(request.title.as_str()), vibe].into_iter().chain(tasks))
}
