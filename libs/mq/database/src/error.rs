use crate::{Fault, Target, classify};

/// What went wrong with a database: each text says what happened, to what, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// The URL cannot be used. Its text is not repeated: it may hold a password.
    #[error("the database URL is unusable: {problem}; expected postgres://USER:PASSWORD@HOST:PORT/DATABASE")]
    Url {
        /// What is wrong with it.
        problem: String,
    },
    /// Nobody answers, or the connection broke.
    #[error("cannot reach Postgres at {target}: {source}; check host, port and that the server is up")]
    Unreachable {
        /// Where the connection goes.
        target: Box<Target>,
        /// The driver's error.
        #[source]
        source: sqlx::Error,
    },
    /// No answer within the time allowed.
    #[error("Postgres at {target} did not answer within {seconds} s; check host, port and firewalls")]
    Silent {
        /// Where the connection goes.
        target: Box<Target>,
        /// How long was waited.
        seconds: f32,
    },
    /// Encryption could not be agreed on.
    #[error(
        "no TLS connection to Postgres at {target}: {source}; check sslmode, sslrootcert, sslcert and sslkey in the URL"
    )]
    Tls {
        /// Where the connection goes.
        target: Box<Target>,
        /// The driver's error.
        #[source]
        source: sqlx::Error,
    },
    /// User or password is wrong, or `pg_hba.conf` refuses them.
    #[error(
        "Postgres at {target} refuses the log-in: {source}; check user and password, and the server's pg_hba.conf"
    )]
    Authentication {
        /// Where the connection goes.
        target: Box<Target>,
        /// The server's refusal.
        #[source]
        source: sqlx::Error,
    },
    /// The server has no such database.
    #[error("Postgres at {target} has no database `{}`; check the URL, or create it with `sea-mq db provision`", .target.database)]
    NoSuchDatabase {
        /// Where the connection goes.
        target: Box<Target>,
    },
    /// The user may not do this.
    #[error("not permitted to {doing} at {target}: {detail}")]
    NotPermitted {
        /// What was tried.
        doing: String,
        /// Where.
        target: Box<Target>,
        /// The server's words, and the way out.
        detail: String,
    },
    /// The server is older than what this program needs.
    #[error("Postgres at {target} is version {version}: sea-mq needs 15 or newer")]
    ServerTooOld {
        /// Where.
        target: Box<Target>,
        /// The server's version.
        version: String,
    },
    /// A role of the context belongs to a role outside of it: a hole in the wall.
    #[error(
        "role `{member}` is a member of `{group}` and would reach beyond its context; nothing was changed. Run: REVOKE \"{group}\" FROM \"{member}\""
    )]
    ForeignMembership {
        /// The context's role.
        member: String,
        /// The role that it belongs to.
        group: String,
    },
    /// The context has not been provisioned on this server.
    #[error(
        "context `{context}` is not provisioned at {target}: {detail}; run `sea-mq db provision --context {context}`"
    )]
    NotProvisioned {
        /// The context asked for.
        context: String,
        /// Where.
        target: Box<Target>,
        /// What is missing.
        detail: String,
    },
    /// The database belongs to another context.
    #[error(
        "the database at {target} belongs to context `{found}`, not to `{asked}`; nothing was changed. Check the URL"
    )]
    WrongContext {
        /// Where.
        target: Box<Target>,
        /// The context asked for.
        asked: String,
        /// The context that the database names.
        found: String,
    },
    /// The schema holds migrations that this program does not know.
    #[error(
        "the schema at {target} is newer than this program: it has migration {version}, this program knows up to {known}; nothing was changed. Use the newer sea-mq"
    )]
    SchemaNewer {
        /// Where.
        target: Box<Target>,
        /// The highest unknown version.
        version: i64,
        /// The highest version known here.
        known: i64,
    },
    /// An applied migration differs from the one embedded here.
    #[error(
        "migration {version} ({name}) at {target} was applied with another text than this program holds; nothing was changed. Use the sea-mq release that applied it, or restore the table mq_migrations"
    )]
    MigrationChanged {
        /// Where.
        target: Box<Target>,
        /// The migration's version.
        version: i64,
        /// Its name.
        name: String,
    },
    /// A migration failed; its transaction was rolled back.
    #[error("migration {version} ({name}) failed at {target} and was rolled back: {source}")]
    MigrationFailed {
        /// Where.
        target: Box<Target>,
        /// The migration's version.
        version: i64,
        /// Its name.
        name: String,
        /// The server's refusal.
        #[source]
        source: sqlx::Error,
    },
    /// A value of the request cannot be used.
    #[error("{what}: {problem}")]
    Request {
        /// What was given.
        what: String,
        /// Why it cannot be used.
        problem: String,
    },
    /// Any other refusal of the server.
    #[error("could not {doing} at {target}: {source}")]
    Statement {
        /// What was tried.
        doing: String,
        /// Where.
        target: Box<Target>,
        /// The server's refusal.
        #[source]
        source: sqlx::Error,
    },
}

/// The kinds of failure that a caller treats differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// A setting or a value is unusable.
    Configuration,
    /// The server or the database is not there.
    Unreachable,
    /// Not allowed: log-in or permission.
    NotPermitted,
    /// Refused or failed for any other reason.
    Failed,
}

impl ErrorKind {
    /// The exit code of a command that ends with this: 64, 69, 77 or 1.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Configuration => 64,
            Self::Unreachable => 69,
            Self::NotPermitted => 77,
            Self::Failed => 1,
        }
    }
}

impl DatabaseError {
    /// Which kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Url { .. } | Self::Request { .. } => ErrorKind::Configuration,
            Self::Unreachable { .. }
            | Self::Silent { .. }
            | Self::Tls { .. }
            | Self::NoSuchDatabase { .. } => ErrorKind::Unreachable,
            Self::Authentication { .. } | Self::NotPermitted { .. } => ErrorKind::NotPermitted,
            Self::ServerTooOld { .. }
            | Self::ForeignMembership { .. }
            | Self::NotProvisioned { .. }
            | Self::WrongContext { .. }
            | Self::SchemaNewer { .. }
            | Self::MigrationChanged { .. }
            | Self::MigrationFailed { .. }
            | Self::Statement { .. } => ErrorKind::Failed,
        }
    }

    /// An error of opening a connection.
    pub(crate) fn connecting(target: &Target, source: sqlx::Error) -> Self {
        Self::of("connect", target, source)
    }

    /// The driver's error while `doing` something, by its class.
    pub(crate) fn of(doing: &str, target: &Target, source: sqlx::Error) -> Self {
        let target = target.boxed();
        match classify(&source) {
            Fault::Unreachable => Self::Unreachable { target, source },
            Fault::Tls => Self::Tls { target, source },
            Fault::Authentication => Self::Authentication { target, source },
            Fault::NoSuchDatabase => Self::NoSuchDatabase { target },
            Fault::NotPermitted => {
                Self::NotPermitted { doing: doing.to_owned(), target, detail: words(&source) }
            }
            Fault::BadUrl => Self::Url { problem: source.to_string() },
            Fault::Other => Self::Statement { doing: doing.to_owned(), target, source },
        }
    }
}

/// The server's own sentence, without the driver's prefix.
fn words(error: &sqlx::Error) -> String {
    error.as_database_error().map_or_else(|| error.to_string(), |refusal| refusal.message().to_owned())
}

#[cfg(test)]
mod tests {
    use super::ErrorKind;

    #[test]
    fn exit_codes() {
        for (kind, code) in [
            (ErrorKind::Configuration, 64),
            (ErrorKind::Unreachable, 69),
            (ErrorKind::NotPermitted, 77),
            (ErrorKind::Failed, 1),
        ] {
            assert_eq!(kind.exit_code(), code, "{kind:?}");
        }
    }
}
