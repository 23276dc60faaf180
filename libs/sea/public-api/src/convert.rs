//! Between the public shapes and the kernel's.

use sea_app::{Call, RequestedTask, SeaError};
use sea_domain::{
    Case, CaseState, CaseTitle, Evaluation, Expression, OnViolation, PersonName, Policy, PolicyDraft,
    PolicyMessage, PolicyName, PolicyResult, Task, TaskId, TaskKind, TaskState, TaskTitle, VibeRef,
};
use sea_ports::{Applied, CaseFilter, CaseSummary, IdempotencyKey, Page, PageLimit, PageRequest, Trace};
use uuid::Uuid;

use crate::cursor::{Place, decode, encode};
use crate::{
    CallContext, CaseDetails, CaseItem, CasePage, CaseQuery, CompleteTask, Done, EvaluationResult, OpenCase,
    PageQuery, PolicyPage, PolicyVerdict, PolicyVersion, PutPolicy, TaskDetails, TaskRequest,
};

pub(crate) fn call(call: CallContext) -> Result<Call, SeaError> {
    let key = call.idempotency_key.as_deref().map(IdempotencyKey::parse).transpose()?;
    let CallContext { correlation_id, traceparent, .. } = call;
    Ok(Call { trace: Trace { correlation_id, traceparent }, key })
}

pub(crate) fn open_case(request: OpenCase) -> Result<sea_app::OpenCase, SeaError> {
    Ok(sea_app::OpenCase {
        title: CaseTitle::parse(&request.title)?,
        vibe_id: request.vibe_id.as_deref().map(VibeRef::parse).transpose()?,
        tasks: request.tasks.iter().map(requested_task).collect::<Result<_, _>>()?,
    })
}

fn requested_task(request: &TaskRequest) -> Result<RequestedTask, SeaError> {
    let (title, kind) = match request {
        TaskRequest::Title(title) => (title, TaskKind::FollowUp),
        TaskRequest::Kind { title, kind } => (title, TaskKind::parse(kind)?),
    };
    Ok(RequestedTask { kind, title: TaskTitle::parse(title)? })
}

pub(crate) fn complete_task(task: Uuid, request: &CompleteTask) -> Result<sea_app::CompleteTask, SeaError> {
    let completed_by = PersonName::parse(&request.completed_by)?;
    Ok(sea_app::CompleteTask { task_id: TaskId(task), completed_by })
}

pub(crate) fn put_policy(name: &str, request: &PutPolicy) -> Result<sea_app::PutPolicy, SeaError> {
    let draft = PolicyDraft {
        expression: Expression::parse(&request.expression)?,
        on_violation: OnViolation::parse(&request.on_violation)?,
        message: PolicyMessage::parse(&request.message)?,
        active: request.active,
    };
    let expected_version = request.expected_version;
    Ok(sea_app::PutPolicy { name: PolicyName::parse(name)?, draft, expected_version })
}

pub(crate) fn page_request<P: Place>(page: &PageQuery) -> Result<PageRequest<P>, SeaError> {
    let limit = page.limit.map(PageLimit::new).transpose()?.unwrap_or_default();
    Ok(PageRequest { limit, after: page.cursor.as_deref().map(decode).transpose()? })
}

pub(crate) fn case_filter(query: &CaseQuery) -> Result<CaseFilter, SeaError> {
    Ok(CaseFilter {
        state: query.state.as_deref().map(CaseState::parse).transpose()?,
        vibe_id: query.vibe_id.as_deref().map(VibeRef::parse).transpose()?,
    })
}

pub(crate) fn done(applied: Applied<Case>) -> Done<CaseDetails> {
    match applied {
        Applied::Now(case) => Done { value: case_details(&case), replayed: false },
        Applied::Before(case) => Done { value: case_details(&case), replayed: true },
    }
}

pub(crate) fn case_details(case: &Case) -> CaseDetails {
    let fields = case.fields();
    CaseDetails {
        case_id: fields.case_id.0,
        title: fields.title.as_str().to_owned(),
        vibe_id: fields.vibe_id.as_ref().map(|vibe| vibe.as_str().to_owned()),
        state: fields.state.as_str().to_owned(),
        opened_at: fields.opened_at,
        revision: fields.revision,
        open_tasks: case.open_tasks(),
        tasks: fields.tasks.iter().map(task_details).collect(),
    }
}

fn task_details(task: &Task) -> TaskDetails {
    let (state, completed_by, completed_at) = match &task.state {
        TaskState::Open => ("open", None, None),
        TaskState::Done { by, at } => ("done", Some(by.as_str().to_owned()), Some(*at)),
    };
    TaskDetails {
        task_id: task.task_id.0,
        kind: task.kind.as_str().to_owned(),
        title: task.title.as_str().to_owned(),
        state: state.to_owned(),
        completed_by,
        completed_at,
    }
}

pub(crate) fn case_page(page: Page<CaseSummary, impl Place>) -> CasePage {
    let next_cursor = page.next.as_ref().map(encode);
    CasePage { items: page.items.into_iter().map(case_item).collect(), next_cursor }
}

fn case_item(case: CaseSummary) -> CaseItem {
    CaseItem {
        case_id: case.case_id.0,
        title: case.title.as_str().to_owned(),
        vibe_id: case.vibe_id.map(|vibe| vibe.as_str().to_owned()),
        state: case.state.as_str().to_owned(),
        opened_at: case.opened_at,
        revision: case.revision,
        open_tasks: case.open_tasks,
    }
}

pub(crate) fn policy_page(page: Page<Policy, impl Place>) -> PolicyPage {
    let next_cursor = page.next.as_ref().map(encode);
    PolicyPage { items: page.items.into_iter().map(policy_version).collect(), next_cursor }
}

pub(crate) fn policy_version(policy: Policy) -> PolicyVersion {
    PolicyVersion {
        name: policy.name.as_str().to_owned(),
        version: policy.version,
        expression: policy.draft.expression.as_str().to_owned(),
        on_violation: policy.draft.on_violation.as_str().to_owned(),
        message: policy.draft.message.as_str().to_owned(),
        active: policy.draft.active,
        created_at: policy.created_at,
    }
}

pub(crate) fn evaluation(found: Evaluation) -> EvaluationResult {
    EvaluationResult {
        outcome: found.outcome.as_str().to_owned(),
        policies: found.policies.into_iter().map(verdict).collect(),
        evaluated_at: found.evaluated_at,
    }
}

fn verdict(found: PolicyResult) -> PolicyVerdict {
    let PolicyResult { policy, passed, message } = found;
    PolicyVerdict { name: policy.name.as_str().to_owned(), version: policy.version, passed, message }
}
