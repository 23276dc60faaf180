use std::fmt::Display;
use std::process::ExitCode;

use sea_mq_config::ConfigError;
use sea_mq_conform::ConformError;
use sea_mq_contracts::ContractsError;
use sea_mq_database::DatabaseError;
use sea_mq_inbox::InboxError;
use sea_mq_outbox::OutboxError;
use sea_mq_stream::StreamError;

const FAILED: u8 = 1;
const PARTLY: u8 = 3;
const CONFIGURATION: u8 = 64;
const UNREACHABLE: u8 = 69;
const NOT_PERMITTED: u8 = 77;

/// How a command ended when it did not do all that it was asked: exit code, and what to say.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    /// `None` when the data on stdout says it all.
    message: Option<String>,
}

impl Failure {
    pub(crate) fn failed(message: impl Display) -> Self {
        Self { code: FAILED, message: Some(message.to_string()) }
    }

    /// What was found is the answer and has been printed, and it is not good.
    pub(crate) fn found() -> Self {
        Self { code: FAILED, message: None }
    }

    pub(crate) fn partly(message: impl Display) -> Self {
        Self { code: PARTLY, message: Some(message.to_string()) }
    }

    pub(crate) fn unreachable(message: impl Display) -> Self {
        Self { code: UNREACHABLE, message: Some(message.to_string()) }
    }

    pub(crate) fn not_permitted(message: impl Display) -> Self {
        Self { code: NOT_PERMITTED, message: Some(message.to_string()) }
    }

    pub(crate) fn configuration(message: impl Display) -> Self {
        Self { code: CONFIGURATION, message: Some(message.to_string()) }
    }

    /// The same, after something was done that stays: told apart from having done nothing.
    pub(crate) fn after(self, done: &str) -> Self {
        let why = self.message.unwrap_or_default();
        Self::partly(format!("{done}, then: {why}"))
    }

    /// Prints the message to stderr and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        if let Some(message) = self.message {
            crate::output::complain(&message);
        }
        ExitCode::from(self.code)
    }
}

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        Self { code: error.kind().exit_code(), message: Some(error.to_string()) }
    }
}

impl From<ContractsError> for Failure {
    fn from(error: ContractsError) -> Self {
        Self::failed(in_one_line(&error))
    }
}

impl From<OutboxError> for Failure {
    fn from(error: OutboxError) -> Self {
        Self::failed(in_one_line(&error))
    }
}

impl From<InboxError> for Failure {
    fn from(error: InboxError) -> Self {
        Self::failed(in_one_line(&error))
    }
}

/// An error with its causes.
pub(crate) fn in_one_line(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::configuration(error)
    }
}

impl From<ConformError> for Failure {
    fn from(error: ConformError) -> Self {
        let code = match &error {
            ConformError::NoHandler { .. } => UNREACHABLE,
            ConformError::Database { .. } => FAILED,
            ConformError::Url { .. }
            | ConformError::Subject { .. }
            | ConformError::Payload { .. }
            | ConformError::Secret
            | ConformError::ConsumerInUse { .. } => CONFIGURATION,
        };
        Self { code, message: Some(error.to_string()) }
    }
}

impl From<StreamError> for Failure {
    fn from(error: StreamError) -> Self {
        Self { code: exit_code(&error), message: Some(error.to_string()) }
    }
}

fn exit_code(error: &StreamError) -> u8 {
    match error {
        StreamError::BadAddress { .. } | StreamError::Credentials { .. } => CONFIGURATION,
        StreamError::Unreachable { .. }
        | StreamError::Tls { .. }
        | StreamError::Disconnected { .. }
        | StreamError::Timeout { .. }
        | StreamError::NoResponders { .. } => UNREACHABLE,
        StreamError::LoginRefused { .. } | StreamError::Denied { .. } => NOT_PERMITTED,
        StreamError::StreamMissing { .. }
        | StreamError::ConsumerMissing { .. }
        | StreamError::Api { .. }
        | StreamError::Unreadable { .. }
        | StreamError::Unsendable { .. }
        | StreamError::TopologyRefused { .. }
        | StreamError::RangeDisturbed { .. } => FAILED,
    }
}
