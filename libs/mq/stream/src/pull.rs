use std::time::Duration;

use async_nats::{Message, Subscriber};
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::broker::Broker;
use crate::delivery::{AckToken, Delivery};
use crate::error::{DENIED_REMEDY, PullError, StreamError};
use crate::ledger::{EXPIRES, HEARTBEAT, Ledger};
use crate::notice::{Notice, notice};
use crate::state::{BrokerState, Link};

/// Header in which the server says what an ended request still had.
const PENDING_MESSAGES: &str = "Nats-Pending-Messages";

/// How long it may take to learn why nobody answers.
const ASK_WHY: Duration = Duration::from_secs(2);

/// A durable consumer that this process pulls from.
///
/// Pull requests stay open between two calls of [`Durable::next_group`], on one private inbox that
/// lives as long as this value: nothing that the server delivers is dropped. No request is sent
/// while nobody calls.
#[derive(Debug)]
pub struct Durable {
    broker: Broker,
    stream: String,
    durable: String,
    request_subject: String,
    /// With its trailing dot; a request's number follows, so that an ending names its request.
    inbox: String,
    subscriber: Subscriber,
    states: watch::Receiver<BrokerState>,
    connects: u64,
    denials: u64,
    ledger: Ledger,
    /// What goes out next. Kept here, so that a call that is dropped halfway loses nothing.
    group: Vec<Delivery>,
    /// What went wrong behind messages that are handed out first.
    fault: Option<Fault>,
}

/// What ends a wait for messages.
#[derive(Debug)]
enum Fault {
    ConsumerDeleted,
    NoResponders,
    Silent,
    Denied(String),
    Said(String),
    Closed,
}

impl Broker {
    /// Opens a durable consumer for pulling. It must exist.
    ///
    /// # Errors
    /// As [`Broker::consumer_info`].
    pub async fn durable(&self, stream: &str, durable: &str) -> Result<Durable, StreamError> {
        let facts = self.consumer_info(stream, durable).await?;
        if facts.config.get("deliver_subject").is_some() {
            return Err(StreamError::Api {
                doing: format!("opening consumer {durable} of stream {stream}"),
                code: 400,
                err_code: 0,
                description: "it is a push consumer".to_owned(),
                hint: "; delete it, and create a pull consumer with `sea-mq topology apply`",
            });
        }
        let inbox = format!("{}.", self.inner.client.new_inbox());
        let subscriber = self.inner.client.subscribe(format!("{inbox}*")).await.map_err(|error| {
            let doing = format!("pulling {durable} of stream {stream}");
            StreamError::Unsendable { doing, reason: error.to_string() }
        })?;
        Ok(Durable::new(self.clone(), (stream, durable), inbox, subscriber))
    }
}

impl Durable {
    fn new(broker: Broker, (stream, durable): (&str, &str), inbox: String, subscriber: Subscriber) -> Self {
        let states = broker.watch();
        let (connects, denials) = {
            let state = states.borrow();
            (state.connects, state.denials)
        };
        Self {
            request_subject: format!("{}.CONSUMER.MSG.NEXT.{stream}.{durable}", broker.inner.api_prefix),
            broker,
            stream: stream.to_owned(),
            durable: durable.to_owned(),
            inbox,
            subscriber,
            states,
            connects,
            denials,
            ledger: Ledger::new(Instant::now()),
            group: Vec::new(),
            fault: None,
        }
    }

    /// Messages that were asked for and have not been handed out: the server may send them, or has.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.ledger.outstanding()
    }

    /// Keeps requests open for `ask` messages, waits up to `wait` for the first message, and
    /// then returns all that are there, at most `want`, without waiting further.
    ///
    /// An empty group means that nothing came. Dropping the future loses nothing: the next call hands
    /// out what this one had.
    ///
    /// # Errors
    /// [`PullError`]; the next call tries again, except that a missing consumer or stream has to be
    /// made and opened anew.
    pub async fn next_group(
        &mut self,
        want: usize,
        ask: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, PullError> {
        self.take_ready(want);
        self.follow_connection();
        if self.group.is_empty() && self.fault.is_none() {
            self.wait_for_first(ask, wait).await;
            self.take_ready(want);
        } else if self.fault.is_none() && self.broker.is_connected() {
            self.top_up(ask).await;
        }
        if !self.group.is_empty() {
            sea_mq_failpoint::failpoint!("stream.pull.after", self.disconnected());
            return Ok(std::mem::take(&mut self.group));
        }
        match self.fault.take() {
            Some(fault) => Err(self.explain(fault).await),
            None if !self.broker.is_connected() => Err(self.disconnected()),
            None => Ok(Vec::new()),
        }
    }

    /// Acknowledges what is safely recorded: sent in one go, and flushed to the connection. An ack
    /// that is lost on the way only makes the server deliver again.
    ///
    /// # Errors
    /// [`StreamError::Disconnected`] or [`StreamError::Unsendable`].
    pub async fn ack(&self, deliveries: &[AckToken]) -> Result<(), StreamError> {
        if deliveries.is_empty() {
            return Ok(());
        }
        let doing = || format!("acknowledging {} messages of {}", deliveries.len(), self.durable);
        if !self.broker.is_connected() {
            return Err(StreamError::Disconnected { doing: doing() });
        }
        sea_mq_failpoint::failpoint!("stream.ack.before", StreamError::Disconnected { doing: doing() });
        let client = &self.broker.inner.client;
        for token in deliveries {
            // An empty body is a plain +ACK.
            client
                .publish(token.0.clone(), Bytes::new())
                .await
                .map_err(|error| StreamError::Unsendable { doing: doing(), reason: error.to_string() })?;
        }
        client.flush().await.map_err(|_| StreamError::Disconnected { doing: doing() })?;
        sea_mq_failpoint::failpoint!("stream.ack.after", StreamError::Disconnected { doing: doing() });
        Ok(())
    }

    /// Waits for a message, a fault or the end of `wait`.
    async fn wait_for_first(&mut self, ask: usize, wait: Duration) {
        let until = Instant::now() + wait;
        while self.group.is_empty() && self.fault.is_none() {
            if self.broker.is_connected() {
                self.ledger.expire(Instant::now());
                self.top_up(ask).await;
            }
            let wake_at = self.ledger.lost_at().map_or(until, |lost| lost.min(until));
            tokio::select! {
                biased;
                message = self.subscriber.next() => self.take(message),
                _ = self.states.changed() => self.follow_connection(),
                () = tokio::time::sleep_until(wake_at) => {
                    if wake_at >= until {
                        return;
                    }
                    self.fell_silent();
                }
            }
        }
    }

    /// The open requests show no sign of life: ask again, and the second time ask why. A consumer that
    /// is gone is not said by every server (2.10 just does not answer).
    fn fell_silent(&mut self) {
        tracing::debug!(durable = self.durable, "open pull requests fell silent: asking again");
        if self.ledger.lost() > 1 && self.broker.is_connected() {
            self.fault = Some(Fault::Silent);
        }
    }

    /// Takes what the inbox holds already.
    fn take_ready(&mut self, want: usize) {
        while self.group.len() < want && self.fault.is_none() {
            match self.subscriber.next().now_or_never() {
                Some(message) => self.take(message),
                None => return,
            }
        }
    }

    /// Books what came out of the inbox, and keeps it when it is data.
    fn take(&mut self, message: Option<Message>) {
        let now = Instant::now();
        let Some(message) = message else {
            self.fault = Some(Fault::Closed);
            return;
        };
        // A notice has our own subject. A message has the one it was published to, and a status in its
        // headers, which nobody keeps a client from storing, means nothing.
        if let Some(status) = message.status.filter(|_| message.subject.starts_with(&self.inbox)) {
            let what = notice(status.as_u16(), message.description.as_deref().unwrap_or_default());
            return self.note(what, &message, now);
        }
        match Delivery::read(message) {
            Some(delivery) => {
                self.ledger.delivered(now);
                self.group.push(delivery);
            }
            None => tracing::warn!(durable = self.durable, "a message that is no delivery was ignored"),
        }
    }

    fn note(&mut self, what: Notice, message: &Message, now: Instant) {
        let number = message.subject.strip_prefix(self.inbox.as_str()).and_then(|token| token.parse().ok());
        let ended = |ledger: &mut Ledger| ledger.ended(number, left(message), now);
        match what {
            Notice::Heartbeat => self.ledger.heard(now),
            Notice::Ended => ended(&mut self.ledger),
            Notice::ConsumerDeleted => {
                self.ledger.reset();
                self.fault = Some(Fault::ConsumerDeleted);
            }
            Notice::NoResponders => {
                ended(&mut self.ledger);
                self.fault = Some(Fault::NoResponders);
            }
            Notice::Moved(text) | Notice::Rejected(text) => {
                ended(&mut self.ledger);
                self.fault = Some(Fault::Said(text));
            }
        }
    }

    /// After a reconnect the server knows no request of ours; after a denial none will be served.
    fn follow_connection(&mut self) {
        let (connects, denials, denied, closed) = {
            let state = self.states.borrow_and_update();
            let denied = state.denial.as_ref().map(|denial| denial.subject.clone());
            (state.connects, state.denials, denied, matches!(state.link, Link::Closed { .. }))
        };
        if connects != self.connects {
            self.connects = connects;
            self.ledger.reset();
        }
        if denials != self.denials {
            self.denials = denials;
            let concerned =
                |subject: &str| subject == self.request_subject || subject.starts_with(self.inbox.as_str());
            if let Some(subject) = denied.filter(|subject| concerned(subject)) {
                self.ledger.reset();
                self.fault = Some(Fault::Denied(subject));
            }
        }
        if closed {
            self.fault = Some(Fault::Closed);
        }
    }

    async fn top_up(&mut self, want: usize) {
        let Some(batch) = self.ledger.demand(want) else { return };
        let number = self.ledger.asked(batch, Instant::now());
        let body = json!({
            "batch": batch,
            "expires": EXPIRES.as_nanos() as u64,
            "idle_heartbeat": HEARTBEAT.as_nanos() as u64,
        });
        let (subject, reply) = (self.request_subject.clone(), format!("{}{number}", self.inbox));
        let payload = Bytes::from(body.to_string());
        if let Err(error) = self.broker.inner.client.publish_with_reply(subject, reply, payload).await {
            self.ledger.ended(Some(number), None, Instant::now());
            self.fault = Some(Fault::Said(error.to_string()));
        }
    }

    async fn explain(&self, fault: Fault) -> PullError {
        let (stream, durable) = (self.stream.clone(), self.durable.clone());
        match fault {
            Fault::ConsumerDeleted | Fault::NoResponders | Fault::Silent => {
                let why = tokio::time::timeout(ASK_WHY, self.ask_why()).await;
                why.unwrap_or_else(|_| self.other("the server answers neither the pull nor why".to_owned()))
            }
            Fault::Denied(subject) => {
                PullError::Denied { stream, durable, subject, remedy: DENIED_REMEDY.to_owned() }
            }
            Fault::Said(text) => self.other(format!("the server says: {text}")),
            Fault::Closed => self.disconnected(),
        }
    }

    /// Tells a consumer that is gone from one that has no leader at this moment.
    async fn ask_why(&self) -> PullError {
        let (stream, durable) = (self.stream.clone(), self.durable.clone());
        match self.broker.consumer_info(&self.stream, &self.durable).await {
            Err(StreamError::ConsumerMissing { .. }) => PullError::ConsumerMissing { stream, durable },
            Err(StreamError::StreamMissing { .. }) => PullError::StreamMissing { stream, durable },
            Err(StreamError::Disconnected { .. }) => PullError::Disconnected { stream, durable },
            Err(other) => self.other(other.to_string()),
            Ok(_) => {
                let reason = "nobody served the request, though the consumer exists: its leader is changing";
                self.other(reason.to_owned())
            }
        }
    }

    fn other(&self, reason: String) -> PullError {
        PullError::Other { stream: self.stream.clone(), durable: self.durable.clone(), reason }
    }

    fn disconnected(&self) -> PullError {
        PullError::Disconnected { stream: self.stream.clone(), durable: self.durable.clone() }
    }
}

/// What an ended request still had, when the server says so.
fn left(message: &Message) -> Option<usize> {
    message.headers.as_ref()?.get(PENDING_MESSAGES)?.as_str().parse().ok()
}
