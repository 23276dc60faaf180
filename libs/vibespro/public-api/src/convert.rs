//! Between the public shapes and the kernel's.

use vibespro_app::AppError;
use vibespro_domain::{Vibe, Violation};
use vibespro_ports::{Registration, StoreError};

use crate::{
    CallContext, CreateVibe, Decision, Done, FieldProblem, PageRequest, Registered, User, VibePage,
    VibeSummary, VibesProError,
};

impl From<CallContext> for vibespro_app::Call {
    fn from(call: CallContext) -> Self {
        let CallContext { idempotency_key, correlation_id, traceparent } = call;
        Self { idempotency_key, correlation_id, traceparent }
    }
}

impl From<CreateVibe> for vibespro_app::CreateVibe {
    fn from(request: CreateVibe) -> Self {
        let CreateVibe { user_id, title, description } = request;
        Self { user_id, title, description }
    }
}

impl From<PageRequest> for vibespro_app::PageRequest {
    fn from(request: PageRequest) -> Self {
        let PageRequest { limit, cursor } = request;
        Self { limit, cursor }
    }
}

pub(crate) fn done<A, B>(
    answer: Result<vibespro_app::Done<A>, AppError>,
    convert: impl FnOnce(A) -> B,
) -> Result<Done<B>, VibesProError> {
    let vibespro_app::Done { value, replayed } = answer.map_err(error)?;
    Ok(Done { value: convert(value), replayed })
}

pub(crate) fn registered(registration: Registration) -> Registered {
    let Registration { user, created } = registration;
    let (user_id, name) = (user.user_id.as_str().to_owned(), user.name.as_str().to_owned());
    Registered { user: User { user_id, name }, created }
}

pub(crate) fn summary(vibe: Vibe) -> VibeSummary {
    VibeSummary {
        vibe_id: vibe.vibe_id.0,
        user_id: vibe.user_id.as_str().to_owned(),
        title: vibe.title.as_str().to_owned(),
        description: vibe.description.as_str().to_owned(),
        revision: vibe.revision.number(),
        score: vibe.score.map(|score| score.number().into()),
        decision: vibe.decision.map(decision),
        created_at: vibe.created_at,
        updated_at: vibe.updated_at,
    }
}

fn decision(decision: vibespro_domain::Decision) -> Decision {
    let vibespro_domain::Decision { outcome, reason, case_id, decided_at } = decision;
    Decision { outcome: outcome.as_str().to_owned(), reason, case_id, decided_at }
}

pub(crate) fn page(page: vibespro_app::Page) -> VibePage {
    VibePage { items: page.items.into_iter().map(summary).collect(), next_cursor: page.next_cursor }
}

pub(crate) fn error(error: AppError) -> VibesProError {
    match error {
        AppError::Invalid(violations) => {
            VibesProError::InvalidInput { fields: violations.into_iter().map(field_problem).collect() }
        }
        AppError::UnknownUser(user_id) => VibesProError::UnknownUser { user_id },
        AppError::UnknownVibe(vibe_id) => VibesProError::UnknownVibe { vibe_id: vibe_id.0 },
        AppError::Stale { vibe_id, expected, current } => VibesProError::StaleRevision {
            vibe_id: vibe_id.0,
            expected: expected.number(),
            current: current.number(),
        },
        AppError::KeyReused => VibesProError::IdempotencyKeyReused,
        AppError::Store(error @ StoreError::Unavailable { .. }) => {
            VibesProError::Unavailable { detail: error.to_string() }
        }
        AppError::Store(error @ StoreError::Unexpected { .. }) => {
            VibesProError::Internal { detail: error.to_string() }
        }
    }
}

fn field_problem(violation: Violation) -> FieldProblem {
    FieldProblem { field: violation.field.to_owned(), problem: violation.problem }
}

#[cfg(test)]
mod tests {
    use super::error;
    use uuid::Uuid;
    use vibespro_app::AppError;
    use vibespro_domain::{Revision, VibeId, Violation};
    use vibespro_ports::StoreError;

    #[test]
    fn every_error_keeps_its_meaning_and_says_what_to_do() {
        let store = |unavailable: bool| {
            let (doing, detail) = ("read the vibe", "why".to_owned());
            AppError::Store(match unavailable {
                true => StoreError::Unavailable { doing, detail },
                false => StoreError::Unexpected { doing, detail },
            })
        };
        let vibe_id = VibeId(Uuid::nil());
        let stale = AppError::Stale { vibe_id, expected: Revision::FIRST, current: Revision::FIRST };
        for (given, code, says) in [
            (
                AppError::Invalid(vec![Violation::new("title", "is empty")]),
                "invalid_input",
                "title: is empty",
            ),
            (AppError::UnknownUser("ada".to_owned()), "unknown_user", "register"),
            (AppError::UnknownVibe(vibe_id), "unknown_vibe", "no vibe"),
            (stale, "stale_revision", "read it again"),
            (AppError::KeyReused, "idempotency_key_reused", "new key"),
            (store(true), "unavailable", "why"),
            (store(false), "internal", "why"),
        ] {
            let shown = error(given);
            assert_eq!(shown.code(), code);
            assert!(shown.to_string().contains(says), "{shown}");
        }
    }
}
