//! Which ids a stream holds, without its bodies.

use super::consumer::ShortLived;
use crate::broker::Broker;
use crate::error::StreamError;

/// Everything that a stream stores.
const ALL: &str = ">";

/// The ids of a part of a stream, in stream order.
#[derive(Clone, Debug)]
pub struct StoredIds {
    /// One for each stored message.
    pub ids: Vec<StoredId>,
    /// True when it is proven that nothing of the range is missing behind the last one. Otherwise
    /// read on from the last one's sequence + 1.
    pub complete: bool,
}

/// One stored message, without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredId {
    /// Sequence in the stream.
    pub stream_seq: u64,
    /// `Nats-Msg-Id` as stored, whatever it is.
    pub message_id: Option<String>,
}

impl Broker {
    /// Reads which messages `stream` holds from `from_seq` to `to_seq` (both included), at most
    /// `limit` of them. `to_seq` must be a sequence that the stream has had.
    ///
    /// A short-lived consumer of the name `reader`, which nobody else may use meanwhile, delivers the
    /// headers alone, and is deleted before and after. It may read everything: for an operator's
    /// user, not a worker's.
    ///
    /// # Errors
    /// As [`Broker::read_range`].
    pub async fn stored_ids(
        &self,
        stream: &str,
        reader: &str,
        from_seq: u64,
        to_seq: u64,
        limit: usize,
    ) -> Result<StoredIds, StreamError> {
        let consumer = ShortLived::new(self, stream, reader.to_owned()).headers_only();
        let range = self.read(&consumer, ALL, from_seq, to_seq, limit).await?;
        let messages = range.messages.into_iter();
        let ids = messages.map(|m| StoredId { stream_seq: m.stream_seq, message_id: m.message_id }).collect();
        Ok(StoredIds { ids, complete: range.complete })
    }
}
