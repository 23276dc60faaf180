use thiserror::Error;

/// Why the store could not be opened, or its schema not be brought up.
#[derive(Debug, Error)]
pub enum AdapterError {
    /// The URL says nothing that can be connected to. It is not repeated: it may hold a password.
    #[error("the database URL is unusable: {problem}; use postgres://USER:PASSWORD@HOST:PORT/DATABASE")]
    BadUrl {
        /// What is wrong with it.
        problem: String,
    },
    /// The server did not let the migration in.
    #[error("cannot connect to {target}: {source}")]
    Connect {
        /// User, host and database.
        target: String,
        /// The driver's error.
        source: sqlx::Error,
    },
    /// A statement failed.
    #[error("cannot {doing}: {source}")]
    Statement {
        /// What was tried.
        doing: &'static str,
        /// The driver's error.
        source: sqlx::Error,
    },
    /// Schema `public` does not belong to a context's owner.
    #[error(
        "schema public belongs to `{owner}`, not to a context's owner; provision the context first: sea-mq db provision"
    )]
    NotProvisioned {
        /// Whose it is.
        owner: String,
    },
    /// The schema is not what this program can bring further.
    #[error("cannot migrate vibespro's tables: {source}")]
    Migration {
        /// Which migration, and why.
        source: sqlx::migrate::MigrateError,
    },
}
