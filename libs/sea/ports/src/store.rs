use std::future::Future;

use sea_domain::{
    Case, CaseId, CaseState, CaseTitle, DomainError, Policy, PolicyName, SeaEvent, TaskId, VibeRef,
};
use time::OffsetDateTime;

use crate::{Applied, ChangeError, Command, Once, Page, PageRequest, StoreError};

/// A case in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseSummary {
    /// Its identity.
    pub case_id: CaseId,
    /// Its title.
    pub title: CaseTitle,
    /// The vibe that it is about.
    pub vibe_id: Option<VibeRef>,
    /// Whether work is left.
    pub state: CaseState,
    /// How many of its tasks are open.
    pub open_tasks: usize,
    /// When it was opened, UTC.
    pub opened_at: OffsetDateTime,
    /// From 1; one more with each change.
    pub revision: i64,
}

/// Place of a case in the list, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CasePosition {
    /// When it was opened, UTC.
    pub opened_at: OffsetDateTime,
    /// Decides among cases opened at the same time.
    pub case_id: CaseId,
}

/// Which cases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaseFilter {
    /// Only in this state.
    pub state: Option<CaseState>,
    /// Only about this vibe.
    pub vibe_id: Option<VibeRef>,
}

/// Keeps cases. A change and the event that tells of it are one: both are kept or neither.
pub trait CaseStore: Send + Sync {
    /// Keeps a new case and its event.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was kept.
    fn open(
        &self,
        case: &Case,
        event: &SeaEvent,
        command: &Command,
    ) -> impl Future<Output = Result<Applied<Case>, StoreError>> + Send;

    /// Changes the case that has this task by `decide`, alone: nobody else changes it meanwhile.
    /// `decide` may be asked not at all, when the command was carried out before.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing was changed.
    fn change_by_task<D>(
        &self,
        task: TaskId,
        command: &Command,
        decide: D,
    ) -> impl Future<Output = Result<Applied<Case>, ChangeError>> + Send
    where
        D: FnOnce(&mut Case) -> Result<SeaEvent, DomainError> + Send;

    /// The result of a command that was carried out before; `None` when it was not.
    ///
    /// # Errors
    /// [`StoreError`], also [`StoreError::KeyReused`].
    fn carried_out(&self, once: &Once) -> impl Future<Output = Result<Option<Case>, StoreError>> + Send;

    /// A case with its tasks.
    ///
    /// # Errors
    /// [`StoreError`].
    fn case(&self, case_id: CaseId) -> impl Future<Output = Result<Option<Case>, StoreError>> + Send;

    /// Cases, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    fn cases(
        &self,
        filter: &CaseFilter,
        page: PageRequest<CasePosition>,
    ) -> impl Future<Output = Result<Page<CaseSummary, CasePosition>, StoreError>> + Send;
}

/// Keeps policies: versions are only ever added.
pub trait PolicyStore: Send + Sync {
    /// Adds a version, which must follow the latest there is. Answers with that latest version
    /// (0: none) when it does not, and adds nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    fn add_version(
        &self,
        policy: &Policy,
    ) -> impl Future<Output = Result<Result<(), i32>, StoreError>> + Send;

    /// The latest version of each policy, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    fn policies(
        &self,
        page: PageRequest<PolicyName>,
    ) -> impl Future<Output = Result<Page<Policy, PolicyName>, StoreError>> + Send;

    /// All versions of a policy, newest first; none when there is no such policy.
    ///
    /// # Errors
    /// [`StoreError`].
    fn versions(
        &self,
        name: &PolicyName,
        page: PageRequest<i32>,
    ) -> impl Future<Output = Result<Page<Policy, i32>, StoreError>> + Send;

    /// The latest version of each policy whose latest version is active, by name, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn active(&self, limit: usize) -> impl Future<Output = Result<Vec<Policy>, StoreError>> + Send;
}
