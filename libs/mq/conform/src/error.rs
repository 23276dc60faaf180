/// Why a handler could not be judged at all.
#[derive(Debug, thiserror::Error)]
pub enum ConformError {
    /// It is not a URL by which a worker could call.
    #[error("`{url}` is not a handler's URL: {why}; use http://HOST:PORT/PATH")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nobody listens there.
    #[error("no handler at {authority}: {why}; start it, and check the URL")]
    NoHandler {
        /// Host and port.
        authority: String,
        /// What the system said.
        why: String,
    },
    /// It is not an event's subject.
    #[error("`{subject}` is no subject of an event: {source}")]
    Subject {
        /// What was given.
        subject: String,
        /// What is wrong with it.
        source: sea_mq_event::SubjectError,
    },
    /// It is not a payload.
    #[error("the {what} is not JSON: {source}")]
    Payload {
        /// Which of the payloads.
        what: &'static str,
        /// Where it goes wrong.
        source: serde_json::Error,
    },
    /// Its text is not repeated.
    #[error(
        "the handler's secret is none (value not shown): use whsec_ and the base64 of 24 to 64 bytes; \
         several are separated by spaces"
    )]
    Secret,
    /// A worker would take the rows that are made here.
    #[error(
        "`{consumer}` is a consumer of this context: its worker would take the made-up events; choose a \
         name that nobody consumes"
    )]
    ConsumerInUse {
        /// Its name.
        consumer: String,
    },
    /// The database refused or did not answer.
    #[error("the context's database could not {doing}: {source}; connect as the context's worker role")]
    Database {
        /// What was asked of it.
        doing: &'static str,
        /// What it said.
        source: sqlx::Error,
    },
}

impl ConformError {
    pub(crate) fn database(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { doing, source }
    }
}
