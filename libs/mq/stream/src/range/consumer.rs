//! The short-lived consumer on the server that reads a range.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::CallError;
use crate::broker::Broker;
use crate::error::StreamError;
use crate::facts::Position;

/// The server removes the consumer by itself after this time without a request.
const INACTIVE: Duration = Duration::from_secs(30);

/// The consumer as the server tells of it.
#[derive(Debug, Deserialize)]
pub(super) struct Facts {
    config: Config,
    #[serde(default)]
    pub(super) delivered: Position,
    /// Messages from its start on that match, in the copy of the stream that its server has.
    #[serde(default)]
    pub(super) num_pending: u64,
    cluster: Option<Cluster>,
}

#[derive(Debug, Deserialize)]
struct Config {
    /// Which one it is: another reader may have put its own in our place. The time of creation does
    /// not tell, since a cluster of 2.10 does not always say the same.
    description: Option<String>,
}

impl Facts {
    fn is(&self, which: &str) -> bool {
        self.config.description.as_deref() == Some(which)
    }
}

/// The stream as its leader tells of it: what the leader has, all have or will have.
#[derive(Debug, Deserialize)]
pub(super) struct Leader {
    state: State,
    cluster: Option<Cluster>,
}

#[derive(Debug, Deserialize)]
struct State {
    last_seq: u64,
}

#[derive(Debug, Deserialize)]
struct Cluster {
    /// Absent while there is none.
    leader: Option<String>,
}

impl Leader {
    pub(super) fn last_seq(&self) -> u64 {
        self.state.last_seq
    }

    /// True when the consumer reads the leader's own copy.
    pub(super) fn holds(&self, consumer: &Facts) -> bool {
        // Without a cluster there is one copy, and the servers (2.10 to 2.15) then name a leader for
        // the stream and nothing for the consumer.
        let Some(consumer) = &consumer.cluster else { return true };
        let leader = self.cluster.as_ref().and_then(|cluster| cluster.leader.as_ref());
        leader.is_some() && leader == consumer.leader.as_ref()
    }
}

pub(super) struct ShortLived<'a> {
    pub(super) broker: &'a Broker,
    stream: &'a str,
    name: String,
    headers_only: bool,
}

impl<'a> ShortLived<'a> {
    pub(super) fn new(broker: &'a Broker, stream: &'a str, name: String) -> Self {
        Self { broker, stream, name, headers_only: false }
    }

    /// It delivers headers, and no bodies.
    pub(super) fn headers_only(self) -> Self {
        Self { headers_only: true, ..self }
    }

    pub(super) fn delivers_bodies(&self) -> bool {
        !self.headers_only
    }

    pub(super) fn stream(&self) -> &'a str {
        self.stream
    }

    /// Asks the stream's leader for its end.
    pub(super) async fn leader(&self) -> Result<Leader, StreamError> {
        let answer = self.broker.call(&format!("STREAM.INFO.{}", self.stream), &json!({})).await;
        answer.map_err(|error| self.explain(error))
    }

    /// Creates it anew, as the one that is called `which`; it will deliver from `from_seq` on.
    pub(super) async fn create(
        &self,
        which: &str,
        filter: &str,
        from_seq: u64,
    ) -> Result<Facts, StreamError> {
        self.delete().await?;
        // The server checks that the filter of the subject is the one of the body: so a permission
        // on this subject pins the filter.
        let verb = format!("CONSUMER.CREATE.{}.{}.{filter}", self.stream, self.name);
        let config = json!({
            "name": self.name,
            "description": which,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": from_seq,
            "ack_policy": "none",
            "replay_policy": "instant",
            "filter_subject": filter,
            "inactive_threshold": INACTIVE.as_nanos() as u64,
            "num_replicas": 1,
            "mem_storage": true,
            "headers_only": self.headers_only,
        });
        let body = json!({ "stream_name": self.stream, "config": config, "action": "create" });
        let created: Facts = self.broker.call(&verb, &body).await.map_err(|error| self.explain(error))?;
        if created.is(which) { Ok(created) } else { Err(self.disturbed()) }
    }

    /// What the server knows of it now; it must still be the one that is called `which`.
    pub(super) async fn info(&self, which: &str) -> Result<Facts, StreamError> {
        let verb = format!("CONSUMER.INFO.{}.{}", self.stream, self.name);
        match self.broker.call::<Facts>(&verb, &json!({})).await {
            Ok(facts) if facts.is(which) => Ok(facts),
            Ok(_others) => Err(self.disturbed()),
            Err(CallError::Api(error)) if error.err_code == crate::api::code::CONSUMER_NOT_FOUND => {
                Err(self.disturbed())
            }
            Err(error) => Err(self.explain(error)),
        }
    }

    pub(super) async fn delete(&self) -> Result<(), StreamError> {
        let verb = format!("CONSUMER.DELETE.{}.{}", self.stream, self.name);
        match self.broker.call::<Value>(&verb, &json!({})).await {
            Ok(_) => Ok(()),
            Err(CallError::Api(error)) if error.err_code == crate::api::code::CONSUMER_NOT_FOUND => Ok(()),
            Err(error) => Err(self.explain(error)),
        }
    }

    /// Asks for the next messages.
    pub(super) async fn ask(
        &self,
        reply: &str,
        batch: usize,
        expires: Duration,
        max_bytes: usize,
    ) -> Result<(), StreamError> {
        let subject =
            format!("{}.CONSUMER.MSG.NEXT.{}.{}", self.broker.inner.api_prefix, self.stream, self.name);
        let body = json!({ "batch": batch, "expires": expires.as_nanos() as u64, "max_bytes": max_bytes });
        let client = &self.broker.inner.client;
        client
            .publish_with_reply(subject, reply.to_owned(), Bytes::from(body.to_string()))
            .await
            .map_err(|error| self.unsendable(error.to_string()))
    }

    /// A message breaks the connection each time that it comes.
    pub(super) fn unreadable(&self, sequence: u64) -> StreamError {
        let stream = self.stream;
        self.uncertain(format!(
            "message {sequence} of stream {stream} breaks the connection each time it is delivered: its header block is malformed. Keep a copy with `nats stream get {stream} {sequence}`, remove it with `nats stream rmm {stream} {sequence}`; until then nothing behind it is recorded"
        ))
    }

    /// Blames a message, so that it is left alone for a while.
    pub(super) fn blame(&self, sequence: u64) -> StreamError {
        self.broker.inner.blamed.blame(self.stream, sequence, tokio::time::Instant::now());
        self.unreadable(sequence)
    }

    pub(super) fn disconnected(&self) -> StreamError {
        StreamError::Disconnected { doing: self.doing() }
    }

    pub(super) fn doing(&self) -> String {
        let what = if self.headers_only { "ids" } else { "missing range" };
        format!("reading the {what} of stream {} through consumer {}", self.stream, self.name)
    }

    pub(super) fn unsendable(&self, reason: String) -> StreamError {
        StreamError::Unsendable { doing: self.doing(), reason }
    }

    pub(super) fn disturbed(&self) -> StreamError {
        self.uncertain("another instance put its own reader in its place".to_owned())
    }

    pub(super) fn uncertain(&self, reason: String) -> StreamError {
        StreamError::RangeDisturbed { stream: self.stream.to_owned(), consumer: self.name.clone(), reason }
    }

    fn explain(&self, error: CallError) -> StreamError {
        error.on_stream(self.doing(), self.stream)
    }
}
