//! Messages read one at a time through JetStream's API. Its answers are JSON: reading a message so breaks
//! nothing, whatever somebody stored.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::future::try_join_all;
use sea_mq_event::header;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::header_block::HeaderBlock;
use super::reader::RANGE_BYTES;
use super::{Range, RangeMessage};
use crate::api::{CallError, code};
use crate::broker::Broker;
use crate::delivery::find;
use crate::error::StreamError;

/// How many messages behind the first unacknowledged one are looked at, where that cannot be what is in
/// the way.
const LOOK_AT: usize = 10_000;

/// A message that no client can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableMessage {
    /// Sequence in the stream.
    pub stream_seq: u64,
    /// What is wrong with it.
    pub why: String,
}

#[derive(Deserialize)]
struct Got {
    message: Stored,
}

#[derive(Deserialize)]
struct Stored {
    subject: String,
    seq: u64,
    #[serde(with = "time::serde::rfc3339")]
    time: OffsetDateTime,
    /// The header block; absent when there are no headers.
    #[serde(default, deserialize_with = "base64")]
    hdrs: Vec<u8>,
    #[serde(default, deserialize_with = "base64")]
    data: Vec<u8>,
}

fn base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    STANDARD.decode(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

impl From<Stored> for RangeMessage {
    fn from(stored: Stored) -> Self {
        let HeaderBlock { headers, flaw } = HeaderBlock::read(&stored.hdrs);
        let flaw = flaw.or_else(|| subject_flaw(&stored.subject, !stored.hdrs.is_empty()));
        Self {
            subject: stored.subject,
            message_id: find(&headers, header::MESSAGE_ID),
            headers,
            body: Bytes::from(stored.data),
            stream_seq: stored.seq,
            published_at: stored.time,
            unreadable: flaw,
        }
    }
}

/// The client library splits the line before a message with headers at whatever Unicode calls white space,
/// and takes no line that is not UTF-8; the servers know neither rule.
fn subject_flaw(subject: &str, has_headers: bool) -> Option<String> {
    if subject.contains(char::REPLACEMENT_CHARACTER) {
        return Some("its subject is not UTF-8".to_owned());
    }
    (has_headers && subject.contains(char::is_whitespace))
        .then(|| "its subject has white space inside".to_owned())
}

impl Broker {
    /// As [`Broker::read_range`], but one message at a time, and without a consumer: for parts of a stream
    /// with messages whose headers the client library cannot read.
    ///
    /// It takes the right to ask for any message of the stream.
    ///
    /// # Errors
    /// [`StreamError::StreamMissing`], [`StreamError::Denied`], [`StreamError::RangeDisturbed`] when the
    /// stream's leader does not have it up to `to_seq` or does not show it (yet), or that JetStream did not
    /// answer.
    pub async fn read_singly(
        &self,
        stream: &str,
        filter: &str,
        from_seq: u64,
        to_seq: u64,
        limit: usize,
    ) -> Result<Range, StreamError> {
        let last = self.stream_info(stream).await?.last_seq();
        if last < to_seq {
            let reason =
                format!("the stream's leader has it up to sequence {last} only, and {to_seq} was seen of it");
            return Err(disturbed(stream, reason));
        }
        let (mut messages, mut bytes, mut next) = (Vec::new(), 0, from_seq.max(1));
        while next <= to_seq {
            if messages.len() >= limit || bytes >= RANGE_BYTES {
                return Ok(Range { messages, complete: false });
            }
            match self.first_stored(stream, filter, next).await? {
                Some(message) if message.stream_seq <= to_seq => {
                    next = message.stream_seq + 1;
                    bytes += message.body.len();
                    messages.push(message);
                }
                Some(_behind) => break,
                // Servers say so of a copy that is behind, and of one that they cannot read, as well.
                None if messages.is_empty() => {
                    let reason =
                        format!("nothing was found from sequence {next} on, and {to_seq} was seen of it");
                    return Err(disturbed(stream, reason));
                }
                None => return Ok(Range { messages, complete: false }),
            }
        }
        Ok(Range { messages, complete: true })
    }

    /// Messages that were delivered to the durable and are not acknowledged, and that the client library
    /// cannot read: whoever is sent them loses the connection, so they never arrive. Oldest first. All
    /// behind `recorded` are looked at, and of very many before that the first 10,000.
    ///
    /// It takes the right to ask for any message of the stream.
    ///
    /// # Errors
    /// As [`Broker::consumer_info`].
    pub async fn unreadable(
        &self,
        stream: &str,
        durable: &str,
        filter: &str,
        recorded: u64,
    ) -> Result<Vec<UnreadableMessage>, StreamError> {
        let facts = self.consumer_info(stream, durable).await?;
        if facts.num_ack_pending == 0 {
            return Ok(Vec::new());
        }
        let (floor, delivered) = (facts.ack_floor.stream_seq, facts.delivered.stream_seq);
        let before = (floor + 1, recorded.min(delivered));
        let behind = (floor.max(recorded) + 1, delivered);
        let mut found = self.unreadable_between(stream, filter, before, LOOK_AT).await?;
        found.extend(self.unreadable_between(stream, filter, behind, usize::MAX).await?);
        Ok(found)
    }

    async fn unreadable_between(
        &self,
        stream: &str,
        filter: &str,
        (mut next, to_seq): (u64, u64),
        limit: usize,
    ) -> Result<Vec<UnreadableMessage>, StreamError> {
        let (mut found, mut looked_at) = (Vec::new(), 0);
        while next <= to_seq && looked_at < limit {
            let Some(message) = self.first_stored(stream, filter, next).await? else { break };
            if message.stream_seq > to_seq {
                break;
            }
            (next, looked_at) = (message.stream_seq + 1, looked_at + 1);
            let flawed =
                message.unreadable.map(|why| UnreadableMessage { stream_seq: message.stream_seq, why });
            found.extend(flawed);
        }
        Ok(found)
    }

    /// Whether `stream` holds a message with this id at this sequence, now.
    ///
    /// This is what makes an ack that says "duplicate" worth something: within its duplicate window a
    /// stream remembers ids, and answers so also for a message that was purged or deleted since.
    ///
    /// # Errors
    /// [`StreamError::StreamMissing`], [`StreamError::Denied`], or that JetStream did not answer.
    pub async fn holds(&self, stream: &str, sequence: u64, message_id: &str) -> Result<bool, StreamError> {
        let found = self.stored(stream, sequence, &json!({ "seq": sequence })).await?;
        Ok(found.is_some_and(|message| message.message_id.as_deref() == Some(message_id)))
    }

    /// The messages that `stream` holds between two sequences, both included. All are asked for at once.
    ///
    /// It takes the right to ask for any message of the stream.
    ///
    /// # Errors
    /// [`StreamError::StreamMissing`], [`StreamError::Denied`], or that JetStream did not answer.
    pub async fn read_at_once(
        &self,
        stream: &str,
        from_seq: u64,
        to_seq: u64,
    ) -> Result<Vec<RangeMessage>, StreamError> {
        let questions = (from_seq..=to_seq).map(async |seq| {
            let question = json!({ "seq": seq });
            self.stored(stream, seq, &question).await
        });
        Ok(try_join_all(questions).await?.into_iter().flatten().collect())
    }

    /// The first message at or behind a sequence that matches.
    async fn first_stored(
        &self,
        stream: &str,
        filter: &str,
        from_seq: u64,
    ) -> Result<Option<RangeMessage>, StreamError> {
        self.stored(stream, from_seq, &json!({ "seq": from_seq, "next_by_subj": filter })).await
    }

    async fn stored(
        &self,
        stream: &str,
        sequence: u64,
        question: &Value,
    ) -> Result<Option<RangeMessage>, StreamError> {
        match self.call::<Got>(&format!("STREAM.MSG.GET.{stream}"), question).await {
            Ok(got) => Ok(Some(got.message.into())),
            Err(CallError::Api(error)) if error.err_code == code::NO_MESSAGE_FOUND => Ok(None),
            Err(error) => {
                Err(error.on_stream(format!("reading message {sequence} of stream {stream}"), stream))
            }
        }
    }
}

fn disturbed(stream: &str, reason: String) -> StreamError {
    StreamError::RangeDisturbed {
        stream: stream.to_owned(),
        consumer: "no consumer, one by one".to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::subject_flaw;

    #[test]
    fn subjects_that_no_client_takes() {
        assert_eq!(subject_flaw("a.event.é.v1", true), None);
        assert_eq!(subject_flaw("a.event.a\u{3000}b", false), None, "without headers it is split elsewhere");
        assert!(subject_flaw("a.event.a\u{3000}b", true).is_some());
        assert!(subject_flaw("a.event.\u{fffd}", false).is_some());
    }
}
