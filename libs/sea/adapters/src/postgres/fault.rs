use sea_ports::StoreError;

/// What a failure of the database means to a use case.
pub(super) fn store_error(error: sqlx::Error) -> StoreError {
    if let Some(refusal) = error.as_database_error() {
        let code = refusal.code().unwrap_or_default().into_owned();
        return match kind(&code) {
            Kind::Busy => StoreError::Busy,
            Kind::Unavailable => StoreError::Unavailable(Box::new(error)),
            Kind::Defect => unexpected(format!("{} (SQLSTATE {code})", refusal.message())),
        };
    }
    if is_decoding(&error) { unexpected(error.to_string()) } else { StoreError::Unavailable(Box::new(error)) }
}

pub(super) fn unexpected(what: impl Into<String>) -> StoreError {
    StoreError::Unexpected(what.into())
}

fn is_decoding(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::Decode(_)
            | sqlx::Error::Encode(_)
            | sqlx::Error::TypeNotFound { .. }
            | sqlx::Error::RowNotFound
    )
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// The same request may go through in a moment.
    Busy,
    /// An outage, or an installation that is not finished.
    Unavailable,
    /// Trying again does not help.
    Defect,
}

fn kind(code: &str) -> Kind {
    match code {
        // Lock timeout, serialisation failure, deadlock.
        "55P03" | "40001" | "40P01" => Kind::Busy,
        // Read-only (a standby after a fail-over), no such table (not migrated yet).
        "25006" | "42P01" => Kind::Unavailable,
        other => match other.get(..2) {
            // Connection, log-in, resources, shutdown and cancelled statements, failing disks.
            Some("08" | "28" | "3D" | "53" | "57" | "58") => Kind::Unavailable,
            Some(_) | None => Kind::Defect,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, kind};

    #[test]
    fn codes_say_whether_to_try_again() {
        for (code, meant) in [
            ("55P03", Kind::Busy),
            ("40P01", Kind::Busy),
            ("57P01", Kind::Unavailable),
            ("57014", Kind::Unavailable),
            ("53300", Kind::Unavailable),
            ("42P01", Kind::Unavailable),
            ("MQ002", Kind::Defect),
            ("23514", Kind::Defect),
            ("", Kind::Defect),
        ] {
            assert_eq!(kind(code), meant, "{code}");
        }
    }
}
