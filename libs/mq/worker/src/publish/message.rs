//! From an outbox row to a message on the wire: pure.

use bytes::Bytes;
use sea_mq_outbox::Claimed;
use sea_mq_stream::Outgoing;

/// The message that a row is published as.
pub(crate) fn outgoing(row: &Claimed) -> Outgoing {
    Outgoing {
        subject: row.subject.clone(),
        message_id: row.id.to_string(),
        headers: row.headers(),
        payload: Bytes::copy_from_slice(row.payload.as_bytes()),
    }
}
