//! What a failed database call means to an operator: one pure classification.

use std::io::ErrorKind as IoKind;

/// Why a call failed, as far as the operator's next step differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nobody answers there, the connection broke, or the server is not up yet.
    Unreachable,
    /// The server answers, and encryption could not be agreed on.
    Tls,
    /// User or password is wrong, or the server's host rules refuse this user.
    Authentication,
    /// There is no such database.
    NoSuchDatabase,
    /// The user may not do this.
    NotPermitted,
    /// The URL or a connection option is unusable.
    BadUrl,
    /// The server refused the statement for another reason.
    Other,
}

/// Judges an error of the driver.
#[must_use]
pub fn classify(error: &sqlx::Error) -> Fault {
    if let Some(refusal) = error.as_database_error() {
        return refusal.code().map_or(Fault::Other, |code| classify_sqlstate(&code));
    }
    if let sqlx::Error::Io(io) = error {
        return classify_io(io.kind());
    }
    let gone =
        matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed);
    match (gone, matches!(error, sqlx::Error::Tls(_)), matches!(error, sqlx::Error::Configuration(_))) {
        (true, ..) => Fault::Unreachable,
        (_, true, _) => Fault::Tls,
        (_, _, true) => Fault::BadUrl,
        // The driver's own errors about rows and types, and those it may add later.
        (false, false, false) => Fault::Other,
    }
}

/// A file that cannot be read can only be a certificate or key named in the URL.
fn classify_io(kind: IoKind) -> Fault {
    if kind == IoKind::NotFound || kind == IoKind::PermissionDenied { Fault::Tls } else { Fault::Unreachable }
}

/// Judges a server's five-character SQLSTATE.
pub(crate) fn classify_sqlstate(code: &str) -> Fault {
    match code {
        // invalid_authorization_specification (also a pg_hba refusal), invalid_password
        "28000" | "28P01" => Fault::Authentication,
        "3D000" => Fault::NoSuchDatabase,
        "42501" => Fault::NotPermitted,
        // too_many_connections, admin_shutdown, crash_shutdown, cannot_connect_now
        "53300" | "57P01" | "57P02" | "57P03" => Fault::Unreachable,
        other if other.starts_with("08") => Fault::Unreachable,
        _ => Fault::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, classify, classify_sqlstate};
    use std::io::{Error as IoError, ErrorKind as IoKind};

    #[test]
    fn sqlstates() {
        for (code, fault) in [
            ("28000", Fault::Authentication),
            ("28P01", Fault::Authentication),
            ("3D000", Fault::NoSuchDatabase),
            ("42501", Fault::NotPermitted),
            ("08006", Fault::Unreachable),
            ("53300", Fault::Unreachable),
            ("57P01", Fault::Unreachable),
            ("57P02", Fault::Unreachable),
            ("57P03", Fault::Unreachable),
            ("57014", Fault::Other),
            ("23505", Fault::Other),
            ("MQ001", Fault::Other),
        ] {
            assert_eq!(classify_sqlstate(code), fault, "{code}");
        }
    }

    #[test]
    fn driver_errors() {
        for (error, fault) in [
            (sqlx::Error::Io(IoError::from(IoKind::ConnectionRefused)), Fault::Unreachable),
            (sqlx::Error::Io(IoError::from(IoKind::UnexpectedEof)), Fault::Unreachable),
            (sqlx::Error::Io(IoError::from(IoKind::NotFound)), Fault::Tls),
            (sqlx::Error::Tls("certificate".into()), Fault::Tls),
            (sqlx::Error::Configuration("port".into()), Fault::BadUrl),
            (sqlx::Error::PoolTimedOut, Fault::Unreachable),
            (sqlx::Error::RowNotFound, Fault::Other),
        ] {
            assert_eq!(classify(&error), fault, "{error}");
        }
    }
}
