use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, Subscriber};
use futures::StreamExt as _;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::connect::{self, Listeners};
use crate::error::StreamError;
use crate::facts::{DurableFacts, StreamFacts};
use crate::range::Blamed;
use crate::replies::Replies;
use crate::settings::ConnectSettings;
use crate::state::{BrokerState, Link};

/// How long closing may take before it is given up.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection to the NATS servers, with JetStream on it. Clones share it.
#[derive(Clone)]
pub struct Broker {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) client: Client,
    pub(crate) replies: Arc<Replies>,
    pub(crate) state: Arc<watch::Sender<BrokerState>>,
    pub(crate) api_prefix: String,
    pub(crate) ack_timeout: Duration,
    pub(crate) blamed: Blamed,
    servers: String,
    reader: JoinHandle<()>,
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("servers", &self.inner.servers).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The reader holds a subscription, and that holds the connection open.
        self.reader.abort();
    }
}

impl Broker {
    /// Connects: one attempt at each server of the settings.
    ///
    /// A connection that is lost later is made again by itself; see [`Broker::watch`].
    ///
    /// # Errors
    /// [`StreamError::Unreachable`], [`StreamError::LoginRefused`], [`StreamError::Tls`],
    /// [`StreamError::BadAddress`] or [`StreamError::Credentials`], naming the servers tried.
    pub async fn connect(settings: &ConnectSettings) -> Result<Self, StreamError> {
        let servers = connect::display_servers(&connect::parse_servers(&settings.servers)?);
        let prefix = format!("_INBOX_{}.{}.", settings.context, uuid::Uuid::new_v4().simple());
        let replies = Arc::new(Replies::new(prefix));
        let state = Arc::new(watch::Sender::new(BrokerState::connected(Instant::now())));
        let listeners = Listeners { replies: Arc::clone(&replies), state: Arc::clone(&state) };
        let client = connect::connect(settings, listeners).await?;
        let subscriber = client.subscribe(replies.wildcard()).await.map_err(|error| {
            StreamError::Unsendable { doing: "connecting".to_owned(), reason: error.to_string() }
        })?;
        let reader = tokio::spawn(read_replies(subscriber, Arc::clone(&replies), Arc::clone(&state)));
        let api_prefix = api_prefix(settings.domain.as_deref());
        let ack_timeout = settings.ack_timeout;
        let blamed = Blamed::default();
        let inner = Inner { client, replies, state, api_prefix, ack_timeout, blamed, servers, reader };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// True while the servers can be talked to.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.inner.client.connection_state() == State::Connected
    }

    /// Follows the connection: connected or not since when, and what was last not permitted.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<BrokerState> {
        self.inner.state.subscribe()
    }

    /// Waits until the connection is given up for good, and says why: the process must then
    /// connect anew or exit.
    pub async fn closed(&self) -> String {
        let mut states = self.watch();
        loop {
            if let Link::Closed { reason } = &states.borrow_and_update().link {
                return reason.clone();
            }
            if states.changed().await.is_err() {
                return "the connection's background has ended".to_owned();
            }
        }
    }

    /// The servers of the settings, without secrets, for logs and errors.
    #[must_use]
    pub fn servers(&self) -> &str {
        &self.inner.servers
    }

    /// The largest message, headers and body together, that the server takes, in bytes.
    #[must_use]
    pub fn max_payload(&self) -> usize {
        self.inner.client.max_payload()
    }

    /// Version of the connected server, such as `2.14.3`.
    #[must_use]
    pub fn server_version(&self) -> String {
        self.inner.client.server_info().version
    }

    /// True when the connected server belongs to a cluster.
    pub(crate) fn is_clustered(&self) -> bool {
        self.inner.client.server_info().cluster.is_some()
    }

    /// Reads what is known of a stream.
    ///
    /// # Errors
    /// [`StreamError::StreamMissing`], [`StreamError::Denied`], or that JetStream did not answer.
    pub async fn stream_info(&self, stream: &str) -> Result<StreamFacts, StreamError> {
        let doing = format!("reading the state of stream {stream}");
        let answer = self.call(&format!("STREAM.INFO.{stream}"), &json!({})).await;
        answer.map_err(|error| error.on_stream(doing, stream))
    }

    /// Reads what is known of a durable consumer.
    ///
    /// # Errors
    /// [`StreamError::ConsumerMissing`], [`StreamError::StreamMissing`], [`StreamError::Denied`],
    /// or that JetStream did not answer.
    pub async fn consumer_info(&self, stream: &str, durable: &str) -> Result<DurableFacts, StreamError> {
        let doing = format!("reading the state of consumer {durable} of stream {stream}");
        let answer = self.call(&format!("CONSUMER.INFO.{stream}.{durable}"), &json!({})).await;
        answer.map_err(|error| error.on_consumer(doing, stream, durable))
    }

    /// Sends out what is still buffered (acks are) and closes; gives up after five seconds.
    ///
    /// The connection itself ends with the last clone and the last [`crate::Durable`].
    pub async fn close(self) {
        match tokio::time::timeout(CLOSE_TIMEOUT, self.inner.client.flush()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "NATS: the last messages were not flushed"),
            Err(_) => tracing::warn!("NATS: the last messages were not flushed within 5 s"),
        }
        self.inner.reader.abort();
        self.inner.replies.lose();
    }
}

/// `$JS.API`, or `$JS.{domain}.API`.
pub(crate) fn api_prefix(domain: Option<&str>) -> String {
    domain.map_or_else(|| "$JS.API".to_owned(), |domain| format!("$JS.{domain}.API"))
}

/// Ends with the client's background, or when the last broker is dropped.
async fn read_replies(
    mut subscriber: Subscriber,
    replies: Arc<Replies>,
    state: Arc<watch::Sender<BrokerState>>,
) {
    while let Some(message) = subscriber.next().await {
        replies.settle(message);
    }
    replies.lose();
    // An end that the client chose is known already; of one by a panic nobody else tells.
    state.send_if_modified(BrokerState::background_ended);
}
