//! What a failed statement means to a use case: one pure classification.

use std::time::Duration;

use vibespro_ports::{StoreError, WriteError};

/// How long a statement may take, waiting for locks included.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The constraint that keeps a command from being carried out twice.
const KEY_TAKEN: &str = "idempotency_keys_pkey";

/// The statement's answer, or why there is none.
pub(super) async fn answered<T>(
    doing: &'static str,
    statement: impl Future<Output = Result<T, sqlx::Error>> + Send,
) -> Result<T, WriteError> {
    match tokio::time::timeout(ANSWER_WITHIN, statement).await {
        Ok(answer) => answer.map_err(|error| write_error(doing, &error)),
        Err(_elapsed) => {
            let detail = format!("no answer within {} s", ANSWER_WITHIN.as_secs());
            Err(StoreError::Unavailable { doing, detail }.into())
        }
    }
}

/// As [`answered`], for a statement that changes nothing.
pub(super) async fn read<T>(
    doing: &'static str,
    statement: impl Future<Output = Result<T, sqlx::Error>> + Send,
) -> Result<T, StoreError> {
    answered(doing, statement).await.map_err(|error| match error {
        WriteError::Store(error) => error,
        WriteError::UnknownUser
        | WriteError::UnknownVibe
        | WriteError::Stale { .. }
        | WriteError::KeyTaken => unexpected(doing, &error),
    })
}

pub(super) fn unexpected(doing: &'static str, detail: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unexpected { doing, detail: detail.to_string() }
}

fn write_error(doing: &'static str, error: &sqlx::Error) -> WriteError {
    let Some(refusal) = error.as_database_error() else { return store_error(doing, error).into() };
    if refusal.constraint() == Some(KEY_TAKEN) {
        return WriteError::KeyTaken;
    }
    let code = refusal.code().unwrap_or_default();
    refused(doing, &code, refusal.message()).into()
}

/// An error of the driver: most are a lost or unreachable server.
fn store_error(doing: &'static str, error: &sqlx::Error) -> StoreError {
    let detail = error.to_string();
    let gone = matches!(
        error,
        sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            // A connection that broke in the middle of an answer.
            | sqlx::Error::Protocol(_)
    );
    if gone { StoreError::Unavailable { doing, detail } } else { StoreError::Unexpected { doing, detail } }
}

/// The server's refusal, by its five-character SQLSTATE.
fn refused(doing: &'static str, code: &str, message: &str) -> StoreError {
    let detail = format!("{message} (SQLSTATE {code})");
    match code {
        "42P01" | "42883" | "42703" => {
            let hint = "provision the context, then run `vibespro migrate`";
            StoreError::Unavailable { doing, detail: format!("{detail}; {hint}") }
        }
        // Log-in, no such database, no permission: the operator's to put right.
        "28000" | "28P01" | "3D000" | "42501" => StoreError::Unavailable { doing, detail },
        // A read-only stand-by, deadlock, serialisation, lock timeout, cancelled.
        "25006" | "40P01" | "40001" | "55P03" | "57014" => StoreError::Unavailable { doing, detail },
        // Connection lost, out of resources, shutting down or starting up, disk.
        other if ["08", "53", "57", "58"].iter().any(|class| other.starts_with(class)) => {
            StoreError::Unavailable { doing, detail }
        }
        _ => StoreError::Unexpected { doing, detail },
    }
}

#[cfg(test)]
mod tests {
    use super::{refused, store_error};
    use vibespro_ports::StoreError;

    #[test]
    fn refusals() {
        for code in ["42P01", "28P01", "3D000", "25006", "08006", "53300", "57P01", "57P03", "40P01"] {
            assert!(matches!(refused("x", code, "m"), StoreError::Unavailable { .. }), "{code}");
        }
        for code in ["23514", "MQ002", "22P02", ""] {
            assert!(matches!(refused("x", code, "m"), StoreError::Unexpected { .. }), "{code}");
        }
    }

    #[test]
    fn errors_of_the_driver() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        for error in [sqlx::Error::Io(refused), sqlx::Error::PoolTimedOut, sqlx::Error::PoolClosed] {
            assert!(matches!(store_error("x", &error), StoreError::Unavailable { .. }), "{error}");
        }
        let error = sqlx::Error::RowNotFound;
        assert!(matches!(store_error("x", &error), StoreError::Unexpected { .. }));
    }
}
