use std::time::Duration;

use async_nats::{Message, Subscriber};
use bytes::Bytes;
use futures::StreamExt as _;
use sea_mq_event::header;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::api::CallError;
use crate::broker::Broker;
use crate::delivery::{Place, find, flatten};
use crate::error::StreamError;
use crate::notice::{Notice, notice};

/// What the durable's name is followed by in the name of its short-lived reader.
pub(crate) const GAP_SUFFIX: &str = "__gap";
/// The server removes the reader by itself after this time without a request.
const INACTIVE: Duration = Duration::from_secs(30);
/// A page's requests end after this time; nothing has to be waited for in it.
const PAGE_EXPIRES: Duration = Duration::from_secs(3);
/// At most so many messages a page.
const PAGE_MESSAGES: usize = 256;
/// Reading stops after the page that passes this many bytes.
const RANGE_BYTES: usize = 8 * 1024 * 1024;

/// A part of a stream, in stream order.
#[derive(Clone, Debug)]
pub struct Range {
    /// The messages, oldest first; sequences may have gaps where messages were deleted or do not match.
    pub messages: Vec<RangeMessage>,
    /// True when nothing of the range is missing behind the last message; otherwise read on from
    /// its sequence + 1.
    pub complete: bool,
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
}

/// A reader of one range, with its consumer on the server.
struct Reader<'a> {
    broker: &'a Broker,
    stream: &'a str,
    name: String,
    to_seq: u64,
    limit: usize,
    read: Vec<RangeMessage>,
    bytes: usize,
    /// Deliveries of our consumer so far: a jump shows that it is not ours any more.
    consumer_seq: u64,
    complete: bool,
}

#[derive(Deserialize)]
struct Created {
    #[serde(default)]
    num_pending: u64,
}

impl Broker {
    /// Reads the messages of `stream` that match `filter`, from `from_seq` to `to_seq` (both
    /// included), at most `limit` of them and about 8 MiB.
    ///
    /// It does not touch the durable: a short-lived consumer `{durable}__gap`, pinned to the filter,
    /// reads without acks and is deleted before and after.
    ///
    /// # Errors
    /// [`StreamError::StreamMissing`], [`StreamError::Denied`], [`StreamError::RangeDisturbed`] when
    /// another instance reads at the same time, or that JetStream did not answer.
    pub async fn read_range(
        &self,
        stream: &str,
        durable: &str,
        filter: &str,
        from_seq: u64,
        to_seq: u64,
        limit: usize,
    ) -> Result<Range, StreamError> {
        if from_seq > to_seq || limit == 0 {
            return Ok(Range { messages: Vec::new(), complete: from_seq > to_seq });
        }
        let name = format!("{durable}{GAP_SUFFIX}");
        let mut reader = Reader {
            broker: self,
            stream,
            name,
            to_seq,
            limit,
            read: Vec::new(),
            bytes: 0,
            consumer_seq: 0,
            complete: false,
        };
        reader.delete().await.map_err(|error| reader.explain(error))?;
        let result = reader.run(filter, from_seq.max(1)).await;
        // What is left behind ends by itself after `INACTIVE`: no reason to fail.
        if let Err(error) = reader.delete().await {
            tracing::debug!(consumer = reader.name, ?error, "the reader of a missing range was left behind");
        }
        result?;
        sea_mq_failpoint::failpoint!("stream.range.after");
        Ok(Range { messages: reader.read, complete: reader.complete })
    }
}

impl Reader<'_> {
    async fn run(&mut self, filter: &str, from_seq: u64) -> Result<(), StreamError> {
        let mut pending = self.create(filter, from_seq).await.map_err(|error| self.explain(error))?;
        // Every page has its own reply subject: an ending of an earlier page must not end this one.
        let inbox = format!("{}.", self.broker.inner.client.new_inbox());
        let unsendable = |reason: String| StreamError::Unsendable { doing: self.doing(), reason };
        let subscribed = self.broker.inner.client.subscribe(format!("{inbox}*")).await;
        let mut subscriber = subscribed.map_err(|error| unsendable(error.to_string()))?;
        let mut number = 0;
        while pending > 0 && !self.is_done() {
            number += 1;
            let reply = format!("{inbox}{number}");
            let page = PAGE_MESSAGES
                .min(self.limit - self.read.len())
                .min(usize::try_from(pending).unwrap_or(PAGE_MESSAGES));
            pending = self.page(&reply, &mut subscriber, page, pending).await?;
        }
        self.complete |= pending == 0;
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.complete || self.read.len() >= self.limit || self.bytes >= RANGE_BYTES
    }

    /// Reads one page, and says how much the consumer has left.
    async fn page(
        &mut self,
        reply: &str,
        subscriber: &mut Subscriber,
        batch: usize,
        pending: u64,
    ) -> Result<u64, StreamError> {
        self.ask(reply, batch).await?;
        let (mut left, before) = (pending, self.read.len());
        let mut came = 0;
        while came < batch && left > 0 && !self.complete {
            // The server ends every request after PAGE_EXPIRES: twice that is a lost connection.
            let next = tokio::time::timeout(PAGE_EXPIRES * 2, subscriber.next()).await;
            let Ok(Some(message)) = next else {
                return Err(StreamError::Timeout { doing: self.doing(), after: PAGE_EXPIRES * 2 });
            };
            if message.status.is_some() && message.subject.as_str() != reply {
                continue;
            }
            came += 1;
            match self.absorb(message)? {
                Some(after) => left = after,
                // Messages of the range were deleted meanwhile, or the page is full of bytes.
                None if self.read.len() > before => return self.still_pending().await,
                None => return self.nothing_came().await,
            }
        }
        Ok(left)
    }

    /// Takes a message in; answers what is pending behind it, or `None` when the page ended early.
    fn absorb(&mut self, message: Message) -> Result<Option<u64>, StreamError> {
        if let Some(status) = message.status {
            let text = message.description.unwrap_or_default();
            return match notice(status.as_u16(), &text) {
                Notice::Heartbeat | Notice::Ended => Ok(None),
                Notice::ConsumerDeleted | Notice::NoResponders => Err(self.disturbed()),
                Notice::Moved(reason) | Notice::Rejected(reason) => Err(StreamError::Api {
                    doing: self.doing(),
                    code: status.as_u16(),
                    err_code: 0,
                    description: reason,
                    hint: "",
                }),
            };
        }
        let place = message.reply.as_deref().and_then(Place::parse).ok_or_else(|| {
            let reason = "a message of the range has no position".to_owned();
            StreamError::Unreadable { doing: self.doing(), reason }
        })?;
        if place.consumer_seq != self.consumer_seq + 1 {
            return Err(self.disturbed());
        }
        self.consumer_seq = place.consumer_seq;
        self.complete = place.stream_seq >= self.to_seq || place.pending == 0;
        if place.stream_seq <= self.to_seq {
            self.keep(message, place);
        }
        Ok(Some(place.pending))
    }

    fn keep(&mut self, message: Message, place: Place) {
        let headers = flatten(message.headers.as_ref());
        self.bytes += message.length;
        self.read.push(RangeMessage {
            subject: message.subject.to_string(),
            message_id: find(&headers, header::MESSAGE_ID),
            headers,
            body: message.payload,
            stream_seq: place.stream_seq,
            published_at: place.published_at,
        });
    }

    async fn create(&self, filter: &str, from_seq: u64) -> Result<u64, CallError> {
        // The server checks that the filter of the subject is the one of the body: so a permission
        // on this subject pins the filter.
        let verb = format!("CONSUMER.CREATE.{}.{}.{filter}", self.stream, self.name);
        let config = json!({
            "name": self.name,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": from_seq,
            "ack_policy": "none",
            "replay_policy": "instant",
            "filter_subject": filter,
            "inactive_threshold": INACTIVE.as_nanos() as u64,
            "num_replicas": 1,
            "mem_storage": true,
        });
        let body = json!({ "stream_name": self.stream, "config": config, "action": "create" });
        let created: Created = self.broker.call(&verb, &body).await?;
        Ok(created.num_pending)
    }

    async fn delete(&self) -> Result<(), CallError> {
        let verb = format!("CONSUMER.DELETE.{}.{}", self.stream, self.name);
        match self.broker.call::<Value>(&verb, &json!({})).await {
            Ok(_) => Ok(()),
            Err(CallError::Api(error)) if error.err_code == crate::api::code::CONSUMER_NOT_FOUND => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn still_pending(&mut self) -> Result<u64, StreamError> {
        match self.broker.consumer_info(self.stream, &self.name).await {
            Ok(facts) => Ok(facts.num_pending),
            Err(StreamError::ConsumerMissing { .. }) => Err(self.disturbed()),
            Err(error) => Err(error),
        }
    }

    /// A whole page without a message: right only when all of the range was deleted meanwhile.
    async fn nothing_came(&mut self) -> Result<u64, StreamError> {
        match self.still_pending().await? {
            0 => Ok(0),
            _some => Err(StreamError::Timeout { doing: self.doing(), after: PAGE_EXPIRES }),
        }
    }

    async fn ask(&self, reply: &str, batch: usize) -> Result<(), StreamError> {
        let client = &self.broker.inner.client;
        let subject =
            format!("{}.CONSUMER.MSG.NEXT.{}.{}", self.broker.inner.api_prefix, self.stream, self.name);
        // A page must be able to hold the largest message.
        let max_bytes = RANGE_BYTES.max(client.max_payload() * 2);
        let body =
            json!({ "batch": batch, "expires": PAGE_EXPIRES.as_nanos() as u64, "max_bytes": max_bytes });
        client
            .publish_with_reply(subject, reply.to_owned(), Bytes::from(body.to_string()))
            .await
            .map_err(|error| StreamError::Unsendable { doing: self.doing(), reason: error.to_string() })
    }

    fn doing(&self) -> String {
        format!("reading the missing range of stream {} through consumer {}", self.stream, self.name)
    }

    fn explain(&self, error: CallError) -> StreamError {
        error.on_stream(self.doing(), self.stream)
    }

    fn disturbed(&self) -> StreamError {
        StreamError::RangeDisturbed { stream: self.stream.to_owned(), consumer: self.name.clone() }
    }
}
