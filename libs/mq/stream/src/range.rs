mod consumer;
mod header_block;
mod ids;
mod reader;
mod singly;
mod suspect;

use bytes::Bytes;
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::broker::Broker;
use crate::error::StreamError;
use consumer::ShortLived;
pub use ids::{StoredId, StoredIds};
use reader::Reader;
pub use singly::UnreadableMessage;
pub(crate) use suspect::Blamed;

/// What the durable's name is followed by in the name of its short-lived reader.
pub(crate) const GAP_SUFFIX: &str = "__gap";

/// A part of a stream, in stream order.
#[derive(Clone, Debug)]
pub struct Range {
    /// The messages, oldest first; sequences may have gaps where messages were deleted or do not match.
    pub messages: Vec<RangeMessage>,
    /// True when it is proven that nothing of the range is missing behind the last message.
    /// Otherwise read on from the last message's sequence + 1.
    pub complete: bool,
}

impl Range {
    /// Up to where nothing is missing, of a range that was read from `from_seq` to `to_seq`.
    #[must_use]
    pub fn reaches(&self, from_seq: u64, to_seq: u64) -> u64 {
        let last = self.messages.last().map(|message| message.stream_seq);
        if self.complete { to_seq } else { last.unwrap_or(from_seq.saturating_sub(1)) }
    }
}

/// One message of a range.
#[derive(Clone, Debug)]
pub struct RangeMessage {
    /// The subject that it was published to.
    pub subject: String,
    /// Every header, sorted by name; the values of a repeated name keep their order.
    pub headers: Vec<(String, String)>,
    /// `Nats-Msg-Id` as received, whatever it is.
    pub message_id: Option<String>,
    /// The body.
    pub body: Bytes,
    /// Sequence in the stream.
    pub stream_seq: u64,
    /// When the stream stored it.
    pub published_at: OffsetDateTime,
    /// Why the client library cannot read its header block, if so: `headers` is then what looks like
    /// headers in it.
    pub unreadable: Option<String>,
}

impl Broker {
    /// Reads the messages of `stream` that match `filter`, from `from_seq` to `to_seq` (both
    /// included), at most `limit` of them and about 8 MiB.
    ///
    /// `to_seq` must be a sequence that the stream has had. It does not touch the durable: a
    /// short-lived consumer `{durable}__gap`, pinned to the filter, reads without acks and is deleted
    /// before and after. What came together with a message that breaks the connection is read one by one.
    ///
    /// # Errors
    /// [`StreamError::StreamMissing`], [`StreamError::Denied`], [`StreamError::RangeDisturbed`] when
    /// another instance reads at the same time or the servers do not show the stream up to `to_seq`
    /// (yet) or a message breaks the connection that this user may not read by itself (it says which), or
    /// that JetStream did not answer.
    pub async fn read_range(
        &self,
        stream: &str,
        durable: &str,
        filter: &str,
        from_seq: u64,
        to_seq: u64,
        limit: usize,
    ) -> Result<Range, StreamError> {
        let consumer = ShortLived::new(self, stream, format!("{durable}{GAP_SUFFIX}"));
        let range = self.read(&consumer, filter, from_seq, to_seq, limit).await?;
        sea_mq_failpoint::failpoint!(
            "stream.range.after",
            StreamError::Disconnected { doing: format!("reading a part of {stream}") }
        );
        Ok(range)
    }

    async fn read(
        &self,
        consumer: &ShortLived<'_>,
        filter: &str,
        from_seq: u64,
        to_seq: u64,
        limit: usize,
    ) -> Result<Range, StreamError> {
        if from_seq > to_seq || limit == 0 {
            return Ok(Range { messages: Vec::new(), complete: from_seq > to_seq });
        }
        let (from_seq, stream) = (from_seq.max(1), consumer.stream());
        let blamed = self.inner.blamed.left_alone(stream, Instant::now());
        let blamed = blamed.filter(|bad| (from_seq..=to_seq).contains(bad));
        if blamed == Some(from_seq) {
            return Err(consumer.unreadable(from_seq));
        }
        // What lies before it can be read.
        let to_seq = blamed.map_or(to_seq, |bad| bad - 1);
        let mut reader = Reader::new(consumer, from_seq, to_seq, limit);
        let result = reader.run(filter).await;
        // What is left behind ends by itself: no reason to fail.
        if let Err(error) = consumer.delete().await {
            tracing::debug!(stream, %error, "the reader of a range was left behind");
        }
        let mut range = result.map(|()| reader.into_range())?;
        if let Some(bad) = blamed {
            // Once nothing lies before it any more, it is its turn.
            if range.complete && range.messages.is_empty() {
                return Err(consumer.unreadable(bad));
            }
            range.complete = false;
        }
        Ok(range)
    }
}
