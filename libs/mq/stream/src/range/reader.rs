//! Reads one range page by page, and knows when it has read all of it.
//!
//! That nothing is pending proves nothing by itself: a consumer counts in the copy of the stream that
//! its own server has, and that copy may be behind. The end is reached when a message at or above it
//! has come; or when the stream's leader has said that it has that much, and a consumer created
//! after that, on the leader itself, finds nothing more that matches.

use std::time::Duration;

use async_nats::{Message, Subscriber};
use futures::StreamExt as _;
use sea_mq_event::header;
use tokio::sync::watch;

use super::consumer::ShortLived;
use super::suspect::Losses;
use super::{Range, RangeMessage};
use crate::delivery::{Place, find, flatten};
use crate::error::StreamError;
use crate::notice::{Notice, notice};
use crate::state::BrokerState;

/// A page's requests end after this time; nothing has to be waited for in it.
const PAGE_EXPIRES: Duration = Duration::from_secs(3);
/// At most so many messages a page, and where only headers come.
const PAGE_MESSAGES: usize = 256;
const PAGE_HEADERS: usize = 2048;
/// Reading stops after the page that passes this many bytes.
pub(super) const RANGE_BYTES: usize = 8 * 1024 * 1024;
/// How long a lost connection may take to be made again.
const RECONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How often reading begins anew after its consumer was not there: another reader's doing, or a
/// cluster where the way to a new consumer is not known everywhere yet.
const DISTURBANCES: u32 = 5;
/// The cluster puts a consumer on any server that has the stream. It is put anew until the leader is
/// hit; with five servers one range in a hundred thousand is not proven so and has to be read again.
const PLACEMENTS: u32 = 50;

/// A reader of one range.
pub(super) struct Reader<'a> {
    consumer: &'a ShortLived<'a>,
    from_seq: u64,
    to_seq: u64,
    limit: usize,
    read: Vec<RangeMessage>,
    bytes: usize,
    /// Deliveries of our consumer so far: a jump shows that it is not ours any more.
    consumer_seq: u64,
    complete: bool,
    losses: Losses,
}

/// Where the answers to our requests arrive.
struct Inbox {
    subscriber: Subscriber,
    prefix: String,
    /// Every request has its own reply subject: an ending of an earlier one must not end the present.
    number: u64,
    states: watch::Receiver<BrokerState>,
    connects: u64,
}

/// What an arrival is.
enum Came {
    /// A message of the consumer, with so many behind it.
    Message { pending: u64 },
    /// The end of the present request.
    Ended,
    /// Something about an earlier request.
    Other,
}

impl Inbox {
    fn next_reply(&mut self) -> String {
        self.number += 1;
        self.reply()
    }

    fn reply(&self) -> String {
        format!("{}{}", self.prefix, self.number)
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(consumer: &'a ShortLived<'a>, from_seq: u64, to_seq: u64, limit: usize) -> Self {
        Self {
            consumer,
            from_seq,
            to_seq,
            limit,
            read: Vec::new(),
            bytes: 0,
            consumer_seq: 0,
            complete: false,
            losses: Losses::default(),
        }
    }

    pub(super) fn into_range(self) -> Range {
        Range { messages: self.read, complete: self.complete }
    }

    pub(super) async fn run(&mut self, filter: &str) -> Result<(), StreamError> {
        let mut inbox = self.open_inbox().await?;
        let mut disturbances = 0;
        for _ in 0..PLACEMENTS {
            let leader = self.consumer.leader().await?;
            if leader.last_seq() < self.to_seq {
                return Err(self.beyond_the_stream(leader.last_seq()));
            }
            let which = uuid::Uuid::new_v4().to_string();
            let created = self.consumer.create(&which, filter, self.next_seq()).await?;
            if created.num_pending == 0 {
                self.complete = leader.holds(&created);
            } else {
                let before = (self.read.len(), self.bytes);
                match self.read_pending(&mut inbox, &which, created.num_pending).await {
                    Ok(()) => {}
                    Err(StreamError::Disconnected { .. }) => {
                        self.lost(&mut inbox, (&which, filter), before).await?;
                    }
                    Err(StreamError::RangeDisturbed { .. }) if disturbances < DISTURBANCES => {
                        disturbances += 1;
                        self.rewind(before);
                    }
                    Err(error) => return Err(error),
                }
            }
            if self.is_done() {
                return Ok(());
            }
        }
        Err(self.unproven())
    }

    /// Where to read on.
    fn next_seq(&self) -> u64 {
        self.read.last().map_or(self.from_seq, |message| message.stream_seq + 1)
    }

    /// The connection was lost while messages were to come, and one of them may have broken it: what was
    /// on the way is read one by one. Where that is denied, the others are read over the next connection,
    /// until it is certain which one it is.
    async fn lost(
        &mut self,
        inbox: &mut Inbox,
        (which, filter): (&str, &str),
        before: (usize, usize),
    ) -> Result<(), StreamError> {
        let (next, alone) = (self.next_seq(), self.losses.is_suspect(self.next_seq()));
        let is_blamed = self.losses.book(next);
        let connected = inbox.states.wait_for(BrokerState::is_connected);
        match tokio::time::timeout(RECONNECT_WITHIN, connected).await {
            Ok(Ok(state)) => inbox.connects = state.connects,
            Ok(Err(_)) | Err(_) => return Err(self.consumer.disconnected()),
        }
        let delivered = match self.consumer.info(which).await {
            Ok(facts) => facts.delivered,
            Err(StreamError::RangeDisturbed { .. }) => {
                self.rewind(before);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        match self.read_singly(filter, delivered.stream_seq).await {
            Err(StreamError::Denied { .. }) => {}
            read => return read,
        }
        // It was asked for alone: what was delivered last is it.
        if is_blamed && alone && delivered.stream_seq >= next {
            return Err(self.consumer.blame(delivered.stream_seq));
        }
        Ok(())
    }

    async fn read_singly(&mut self, filter: &str, delivered: u64) -> Result<(), StreamError> {
        let (next, upto) = (self.next_seq(), delivered.min(self.to_seq));
        if upto < next {
            return Ok(());
        }
        let (broker, stream) = (self.consumer.broker, self.consumer.stream());
        let room = self.limit - self.read.len();
        let range = broker.read_singly(stream, filter, next, upto, room).await?;
        self.complete = range.complete && upto == self.to_seq;
        self.bytes += range.messages.iter().map(|message| message.body.len()).sum::<usize>();
        self.read.extend(range.messages);
        Ok(())
    }

    /// Forgets what a consumer brought that turned out not to be ours: it may have left something out.
    fn rewind(&mut self, (messages, bytes): (usize, usize)) {
        self.read.truncate(messages);
        (self.bytes, self.complete) = (bytes, false);
    }

    /// Reads all that a consumer has pending.
    async fn read_pending(
        &mut self,
        inbox: &mut Inbox,
        which: &str,
        mut pending: u64,
    ) -> Result<(), StreamError> {
        self.consumer_seq = 0;
        while pending > 0 && !self.is_done() {
            pending = self.page(inbox, which, pending).await?;
        }
        // One of the same name that another reader put in its place may have served us.
        self.consumer.info(which).await.map(drop)
    }

    fn is_done(&self) -> bool {
        self.complete || self.read.len() >= self.limit || self.bytes >= RANGE_BYTES
    }

    async fn open_inbox(&self) -> Result<Inbox, StreamError> {
        let client = &self.consumer.broker.inner.client;
        let prefix = format!("{}.", client.new_inbox());
        let subscribed = client.subscribe(format!("{prefix}*")).await;
        let subscriber = subscribed.map_err(|error| self.consumer.unsendable(error.to_string()))?;
        let states = self.consumer.broker.watch();
        let connects = states.borrow().connects;
        Ok(Inbox { subscriber, prefix, number: 0, states, connects })
    }

    /// Reads one page of what is pending, and says how much is pending behind it.
    async fn page(&mut self, inbox: &mut Inbox, which: &str, pending: u64) -> Result<u64, StreamError> {
        let page = if self.consumer.delivers_bodies() { PAGE_MESSAGES } else { PAGE_HEADERS };
        let most = if self.losses.is_suspect(self.next_seq()) { 1 } else { page };
        let room = most.min(self.limit - self.read.len());
        let batch = usize::try_from(pending).map_or(room, |pending| room.min(pending));
        // A page must be able to hold the largest message.
        let max_bytes = RANGE_BYTES.max(self.consumer.broker.max_payload() * 2);
        self.consumer.ask(&inbox.next_reply(), batch, PAGE_EXPIRES, max_bytes).await?;
        let (mut left, mut came) = (pending, 0);
        while came < batch && left > 0 && !self.complete {
            // The server ends every request after PAGE_EXPIRES: twice that is a lost connection.
            let Some(message) = self.next_within(inbox, PAGE_EXPIRES * 2).await? else {
                return Err(self.timeout(PAGE_EXPIRES * 2));
            };
            match self.absorb(message, inbox)? {
                Came::Message { pending } => (left, came) = (pending, came + 1),
                // Messages of the range were deleted meanwhile, or the page is full of bytes.
                Came::Ended if came > 0 => return Ok(self.consumer.info(which).await?.num_pending),
                Came::Ended => return self.nothing_came(which).await,
                Came::Other => {}
            }
        }
        Ok(left)
    }

    /// A whole page without a message: right only when all that was pending was deleted meanwhile.
    async fn nothing_came(&self, which: &str) -> Result<u64, StreamError> {
        match self.consumer.info(which).await?.num_pending {
            0 => Ok(0),
            _some => Err(self.timeout(PAGE_EXPIRES)),
        }
    }

    fn absorb(&mut self, message: Message, inbox: &Inbox) -> Result<Came, StreamError> {
        // A message has the subject that it was published to, a notice our own; only there does a
        // status mean anything.
        if message.subject.starts_with(&inbox.prefix) {
            return if message.subject.as_str() == inbox.reply() {
                self.note(&message)
            } else {
                Ok(Came::Other)
            };
        }
        let place = message.reply.as_deref().and_then(Place::parse).ok_or_else(|| {
            let reason = "a message of the range has no position".to_owned();
            StreamError::Unreadable { doing: self.consumer.doing(), reason }
        })?;
        if place.consumer_seq != self.consumer_seq + 1 {
            return Err(self.consumer.disturbed());
        }
        self.consumer_seq = place.consumer_seq;
        self.complete = place.stream_seq >= self.to_seq;
        // A server that is behind starts where its copy ends, and that may be before our start.
        if (self.from_seq..=self.to_seq).contains(&place.stream_seq) {
            self.keep(message, place);
        }
        Ok(Came::Message { pending: place.pending })
    }

    fn note(&self, message: &Message) -> Result<Came, StreamError> {
        let status = message.status.map_or(0, |status| status.as_u16());
        match notice(status, message.description.as_deref().unwrap_or_default()) {
            Notice::Heartbeat | Notice::Ended => Ok(Came::Ended),
            Notice::ConsumerDeleted | Notice::NoResponders => Err(self.consumer.disturbed()),
            Notice::Moved(reason) | Notice::Rejected(reason) => Err(StreamError::Api {
                doing: self.consumer.doing(),
                code: status,
                err_code: 0,
                description: reason,
                hint: "",
            }),
        }
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
            unreadable: None,
        });
    }

    fn timeout(&self, after: Duration) -> StreamError {
        StreamError::Timeout { doing: self.consumer.doing(), after }
    }

    fn beyond_the_stream(&self, last: u64) -> StreamError {
        let to_seq = self.to_seq;
        self.consumer.uncertain(format!(
            "the stream's leader has it up to sequence {last} only, and {to_seq} was seen of it; if this stays, the stream was recreated or has lost its newest messages"
        ))
    }

    fn unproven(&self) -> StreamError {
        let to_seq = self.to_seq;
        self.consumer.uncertain(format!("the leader did not show that nothing is left up to {to_seq}"))
    }

    /// The next arrival; `None` when there is none in time.
    async fn next_within(&self, inbox: &mut Inbox, within: Duration) -> Result<Option<Message>, StreamError> {
        let connects = inbox.connects;
        let is_lost = |state: &BrokerState| !state.is_connected() || state.connects != connects;
        tokio::select! {
            biased;
            message = inbox.subscriber.next() => Ok(message),
            _ = inbox.states.wait_for(is_lost) => Err(self.consumer.disconnected()),
            () = tokio::time::sleep(within) => Ok(None),
        }
    }
}
