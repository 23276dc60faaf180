//! What the worker is told, and what follows from each fault. Pure.

use std::time::Duration;

use crate::failure::{Failure, Kind};

const LONGEST_WAIT_SECS: u64 = 900;
const LONGEST_ASKED_WAIT: Duration = Duration::from_secs(86_400);
const LONGEST_WHY_BYTES: usize = 800;

/// What the worker is told about one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// As of HTTP: 200 and 409 settle the event, 422 makes it a dead letter, all others make it come again.
    pub status: u16,
    /// Kept as the event's last error; holds nothing of its payload.
    pub why: String,
    /// Whole seconds until it comes again; without them the worker's own growing wait.
    pub retry_after: Option<Duration>,
}

/// What `inbox_begin` says: may this attempt run?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Run,
    Done,
    Outdated,
    Unknown,
}

/// Why an attempt came to nothing; by then everything was rolled back.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The handler, or what it asks beforehand, says so.
    Failed(Failure),
    Panicked,
    /// No connection could be had, or nothing is heard on it: whatever comes right after would wait as long in vain.
    NoConnection,
    /// A statement of the inbox, or the commit.
    Database(sqlx::Error),
    /// The handler ended the transaction that it was given.
    Meddled,
}

impl Answer {
    pub(crate) fn new(status: u16, why: impl Into<String>) -> Self {
        let mut why = why.into();
        if why.len() > LONGEST_WHY_BYTES {
            why.truncate(why.floor_char_boundary(LONGEST_WHY_BYTES));
            why.push('…');
        }
        Self { status, why, retry_after: None }
    }

    pub(crate) fn done() -> Self {
        Self::new(200, "processed")
    }

    pub(crate) fn nothing_to_do() -> Self {
        Self::new(200, "nothing to do")
    }

    /// 404, never 422: a consumer deployed before its handler loses nothing.
    pub(crate) fn not_handled(event_type: &str, event_version: i32) -> Self {
        Self::new(404, format!("no handler for {event_type} version {event_version}; deploy one that has it"))
    }

    /// Nothing for an attempt that may run. Only `done` is 409, since that settles the event.
    pub(crate) fn to_verdict(verdict: Verdict) -> Option<Self> {
        match verdict {
            Verdict::Run => None,
            Verdict::Done => Some(Self::new(409, "processed already")),
            Verdict::Outdated => Some(Self::new(503, "this attempt is outdated")),
            Verdict::Unknown => Some(Self::new(503, "this attempt is unknown")),
        }
    }

    pub(crate) fn to_fault(fault: &Fault, attempt: i32) -> Self {
        match fault {
            Fault::Failed(failure) => to_failure(&failure.kind, attempt),
            Fault::Panicked => Self::new(500, "the handler panicked; see its log"),
            Fault::NoConnection => busy(
                "no connection to the database is free, or it cannot be reached; see the handler's log",
                attempt,
            ),
            Fault::Database(error) => Self::to_inbox(error).unwrap_or_else(|| to_database(error, attempt)),
            Fault::Meddled => Self::new(500, "the handler ended the transaction it was given; see its log"),
        }
    }

    /// What the inbox's own refusal means, if it is one. A handler's statement is never taken for one.
    fn to_inbox(error: &sqlx::Error) -> Option<Self> {
        let verdict = match sqlstate(error)?.as_str() {
            "MQ101" => Verdict::Outdated,
            "MQ102" => Verdict::Unknown,
            "MQ103" => Verdict::Done,
            _ => return None,
        };
        Self::to_verdict(verdict)
    }

    fn after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }
}

impl Fault {
    /// The database's error behind it, if there is one.
    pub(crate) fn database(&self) -> Option<&sqlx::Error> {
        match self {
            Self::Failed(failure) => failure.kind.database(),
            Self::Database(error) => Some(error),
            Self::Panicked | Self::NoConnection | Self::Meddled => None,
        }
    }
}

/// The SQLSTATE of what the server refused.
pub(crate) fn sqlstate(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(Into::into)
}

/// The server, or the way to it, is not there now.
pub(crate) fn is_unreachable(error: &sqlx::Error) -> bool {
    use sqlx::Error::{Io, PoolClosed, PoolTimedOut, Protocol, Tls, WorkerCrashed};
    matches!(error, Io(_) | Tls(_) | Protocol(_) | PoolTimedOut | PoolClosed | WorkerCrashed)
        || sqlstate(error)
            .is_some_and(|state| ["08", "53", "57P"].iter().any(|class| state.starts_with(class)))
}

fn to_failure(kind: &Kind, attempt: i32) -> Answer {
    match kind {
        Kind::Poison(why) => Answer::new(422, why),
        Kind::Retry { why, after: Some(wait) } => {
            let whole =
                Duration::from_secs(wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)));
            Answer::new(503, why).after(whole.min(LONGEST_ASKED_WAIT))
        }
        Kind::Retry { why, after: None } => busy(why, attempt),
        Kind::Error { of, .. } => kind.database().map_or_else(
            || Answer::new(500, format!("the handler failed ({of}); see its log")),
            |error| to_database(error, attempt),
        ),
    }
}

/// The worker waits as it is told instead of its own backoff: a wait that stays the same would use up all attempts
/// during an outage of minutes.
fn busy(why: &str, attempt: i32) -> Answer {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(0).min(10);
    Answer::new(503, why).after(Duration::from_secs((1 << doublings).min(LONGEST_WAIT_SECS)))
}

fn to_database(error: &sqlx::Error, attempt: i32) -> Answer {
    let state = sqlstate(error);
    let shown = state.as_deref().map_or(String::new(), |state| format!(" (SQLSTATE {state})"));
    if is_unreachable(error) {
        return busy(&format!("the database is not available{shown}; see the handler's log"), attempt);
    }
    match state.as_deref() {
        Some("40001" | "40P01" | "55P03" | "57014") => {
            Answer::new(503, format!("the database gave way to others{shown}"))
        }
        Some(state) => Answer::new(500, format!("{}{shown}; see the handler's log", refusal(state))),
        None => Answer::new(500, "the handler failed (sqlx::Error); see its log"),
    }
}

/// What the outbox refuses in an emitted event. Its own words stay in the database: they may quote the event.
fn refusal(state: &str) -> &'static str {
    match state {
        "MQ001" => "an emitted event's subject is not {context}.event.{event_name}.v{version}",
        "MQ002" => "an emitted event's subject belongs to another context",
        "MQ003" => "an emitted event's aggregate cannot travel as a header",
        "MQ004" => "an emitted event's payload is too large for the broker",
        "MQ104" => "the handler marked the event by itself, which is done for it",
        "MQ005" => "an emitted event's type or version contradicts its subject",
        _ => "the database refused",
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Duration, Failure, Fault, Verdict};

    fn told(failure: Failure, attempt: i32) -> (u16, String, Option<u64>) {
        let Answer { status, why, retry_after } = Answer::to_fault(&Fault::Failed(failure), attempt);
        (status, why, retry_after.map(|wait| wait.as_secs()))
    }

    #[test]
    fn a_failure_is_told_as_what_it_is() {
        assert_eq!(told(Failure::poison("no such order"), 1), (422, "no such order".to_owned(), None));
        assert_eq!(told(Failure::retry("later"), 1), (503, "later".to_owned(), Some(1)));
        assert_eq!(told(Failure::retry("later"), 4).2, Some(8));
        assert_eq!(told(Failure::retry("later"), 1_000).2, Some(900));
        assert_eq!(told(Failure::retry("later"), i32::MIN).2, Some(1));
        assert_eq!(told(Failure::retry("later").after(Duration::from_millis(1_001)), 9).2, Some(2));
        assert_eq!(told(Failure::retry("later").after(Duration::from_secs(1 << 40)), 9).2, Some(86_400));
        assert_eq!(told(Failure::retry("later").after(Duration::MAX), 9).2, Some(86_400));
        let (status, why, wait) = told(Failure::from(std::fmt::Error), 1);
        assert_eq!((status, wait), (500, None));
        assert!(why.contains("fmt::Error") && !why.contains("occurred"), "{why}");
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let why = told(Failure::poison("ä".repeat(1_000)), 1).1;
        assert_eq!(why.chars().count(), 401);
    }

    #[test]
    fn the_database_is_found_behind_an_error_of_the_handler() {
        #[derive(Debug, thiserror::Error)]
        #[error("the case was not stored")]
        struct NotStored(#[source] sqlx::Error);
        let (status, why, wait) = told(Failure::from(NotStored(sqlx::Error::PoolTimedOut)), 2);
        assert_eq!((status, wait), (503, Some(2)), "{why}");
    }

    #[test]
    fn only_done_settles() {
        let status = |verdict| Answer::to_verdict(verdict).map(|answer| answer.status);
        assert_eq!([Verdict::Run, Verdict::Done].map(status), [None, Some(409)]);
        assert_eq!([Verdict::Outdated, Verdict::Unknown].map(status), [Some(503), Some(503)]);
    }
}
