//! What broken connections give: for failpoints.

use sea_mq_failpoint::lost_connection;
use sea_mq_inbox::InboxError;
use sea_mq_outbox::OutboxError;
use sea_mq_stream::StreamError;

pub(crate) fn to_outbox(action: &'static str) -> OutboxError {
    OutboxError::Database { action, source: sqlx::Error::Io(lost_connection()) }
}

pub(crate) fn to_inbox(action: &'static str) -> InboxError {
    InboxError::Database { action, source: sqlx::Error::Io(lost_connection()) }
}

pub(crate) fn to_broker(doing: &str) -> StreamError {
    StreamError::Disconnected { doing: doing.to_owned() }
}
