//! One line an event; never a payload, nor an error's own text: databases and parsers quote what they refuse.

use std::time::Duration;

use sqlx::postgres::PgDatabaseError;

use crate::answer::{Fault, sqlstate};
use crate::failure::Kind;
use crate::job::Job;

/// What failed and where.
#[derive(Default)]
struct Trouble {
    error: Option<&'static str>,
    at: Option<String>,
    sqlstate: Option<String>,
    table: Option<String>,
    constraint: Option<String>,
}

macro_rules! tell {
    ($level:ident, $trouble:expr, $message:expr, $($field:tt)*) => {
        tracing::$level!(
            $($field)*
            error = $trouble.error,
            at = $trouble.at,
            sqlstate = $trouble.sqlstate,
            table = $trouble.table,
            constraint = $trouble.constraint,
            "{}",
            $message
        )
    };
}

/// What came of an event; `batch` is how many there were in the call.
pub(crate) fn say(job: &Job, took: Duration, batch: usize) {
    let answer = job.answer();
    let trouble = job.fault.as_ref().map(Trouble::of).unwrap_or_default();
    macro_rules! line {
        ($level:ident) => {
            tell!($level, trouble, answer.why,
                message_id = %job.about.attempt.message_id,
                correlation_id = %job.about.correlation_id,
                consumer = job.about.attempt.consumer,
                attempt = job.about.count,
                event_type = job.about.event_type,
                event_version = job.about.event_version,
                status = answer.status,
                took_ms = took.as_micros() as f64 / 1_000.0,
                batch = (batch > 1).then_some(batch),
            )
        };
    }
    match answer.status {
        200 | 409 => line!(info),
        500 => line!(error),
        _ => line!(warn),
    }
}

/// A shared transaction failed; its events are handled again one by one.
pub(crate) fn rolled_back(fault: &Fault, batch: usize) {
    let trouble = Trouble::of(fault);
    tell!(
        warn,
        trouble,
        "a batch's transaction was rolled back; its events are handled one by one",
        batch = batch,
    );
}

impl Trouble {
    fn of(fault: &Fault) -> Self {
        let mut trouble = match fault {
            Fault::Failed(failure) => {
                let error = match failure.kind {
                    Kind::Error { of, .. } => Some(of),
                    Kind::Poison(_) | Kind::Retry { .. } => None,
                };
                Self { error, at: Some(failure.at.to_string()), ..Self::default() }
            }
            Fault::Panicked => Self { error: Some("panic"), ..Self::default() },
            Fault::NoConnection => Self::default(),
            Fault::Database(_) => Self { error: Some("sqlx::Error"), ..Self::default() },
            Fault::Meddled => Self {
                error: Some(
                    "use savepoints in the transaction (sqlx's begin), and neither COMMIT, ROLLBACK nor inbox_complete",
                ),
                ..Self::default()
            },
        };
        if let Some(error) = fault.database() {
            trouble.add(error);
        }
        trouble
    }

    fn add(&mut self, error: &sqlx::Error) {
        self.sqlstate = sqlstate(error);
        let refused = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
        self.table = refused.and_then(|error| error.table()).map(str::to_owned);
        self.constraint = refused.and_then(|error| error.constraint()).map(str::to_owned);
    }
}
