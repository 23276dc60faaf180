use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use async_nats::{HeaderMap, HeaderName, HeaderValue, Message, StatusCode, Subject};
use bytes::Bytes;
use sea_mq_event::header;
use serde::Deserialize;
use tokio::time::Instant;

use crate::api::ApiError;
use crate::broker::{Broker, Inner};
use crate::outage::{Fault, PublishError, classify};
use crate::replies::{Answer, Ticket};

/// The stream that must store the message, or nobody.
const EXPECTED_STREAM: &str = "Nats-Expected-Stream";
/// What the server reserves for itself: an event's own headers never start so.
const RESERVED_PREFIX: &str = "nats-";

/// A message to be stored.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The exact subject, without wildcards.
    pub subject: String,
    /// Deduplication id: `Nats-Msg-Id`.
    pub message_id: String,
    /// The other headers; none may start with `Nats-`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub payload: Bytes,
}

/// Where a message is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The stream.
    pub stream: String,
    /// The message's sequence there; the first one's, when it is a duplicate.
    pub sequence: u64,
    /// True when the stream had this id already, within its duplicate window.
    pub duplicate: bool,
}

impl Broker {
    /// Publishes and awaits the ack of `expected_stream`.
    ///
    /// The message is handed to the client in this very call, unless its buffer is full: so messages
    /// go out in the order of the calls, whichever future is polled first. The ack is awaited for
    /// [`crate::ConnectSettings::ack_timeout`] from now; dropping the future gives up the ack, not
    /// the message. The caller bounds what is in flight: thousands are meant, and 65,536 acks is what
    /// the inbox holds.
    ///
    /// # Errors
    /// [`PublishError::Outage`]: maybe stored, maybe later, send the same id again.
    /// [`PublishError::Refused`]: this message can never be stored.
    pub fn publish(
        &self,
        expected_stream: &str,
        message: Outgoing,
    ) -> impl Future<Output = Result<Stored, PublishError>> + Send + 'static + use<> {
        let subject = message.subject.clone();
        let stream = expected_stream.to_owned();
        let deadline = Instant::now() + self.inner.ack_timeout;
        let started = start(&self.inner, expected_stream, message);
        async move {
            let acknowledged = match started {
                Ok(flight) => tokio::time::timeout_at(deadline, flight.land(&stream)).await,
                Err(fault) => Ok(Err(fault)),
            };
            acknowledged.unwrap_or(Err(Fault::Timeout)).map_err(|fault| classify(fault, &subject, &stream))
        }
    }
}

type Sending = Pin<Box<dyn Future<Output = Result<(), async_nats::PublishError>> + Send>>;

/// A message on its way.
struct Flight {
    ticket: Ticket,
    /// What is left of handing it over; `None` when that is done.
    sending: Option<Sending>,
}

fn start(inner: &Arc<Inner>, stream: &str, message: Outgoing) -> Result<Flight, Fault> {
    if inner.client.connection_state() != async_nats::connection::State::Connected {
        // The client would keep it and send it whenever it can: better not to begin.
        return Err(Fault::Disconnected);
    }
    check_subject(&message.subject)?;
    let Outgoing { subject, message_id, headers: given, payload } = message;
    let headers = headers(stream, message_id, given)?;
    let subject = Subject::from(subject);
    let ticket = inner.replies.expect(subject.clone());
    let (inner, inbox) = (Arc::clone(inner), ticket.inbox());
    // Unconstrained: a task that publishes thousands uses its cooperative budget up, and a hand-over
    // that is turned away for that reason would not even queue, and lose its place.
    let mut sending: Sending = Box::pin(tokio::task::unconstrained(async move {
        inner.client.publish_with_reply_and_headers(subject, inbox, headers, payload).await
    }));
    // Nothing to wake: a hand-over that has to wait is polled again by whoever awaits the ack.
    match sending.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(sent) => sent.map_err(|error| client_fault(&error))?,
        Poll::Pending => return Ok(Flight { ticket, sending: Some(sending) }),
    }
    Ok(Flight { ticket, sending: None })
}

impl Flight {
    async fn land(mut self, stream: &str) -> Result<Stored, Fault> {
        if let Some(sending) = self.sending.take() {
            sending.await.map_err(|error| client_fault(&error))?;
        }
        sea_mq_failpoint::failpoint!("stream.publish.sent", Fault::Disconnected);
        let answer = self.ticket.answer().await;
        sea_mq_failpoint::failpoint!("stream.publish.acked", Fault::Disconnected);
        match answer {
            Answer::Reply(reply) => read_ack(&reply, stream),
            Answer::Denied(denial) => Err(Fault::Denied(denial.text)),
            Answer::Lost => Err(Fault::Disconnected),
        }
    }
}

#[derive(Deserialize)]
struct Ack {
    error: Option<ApiError>,
    #[serde(default)]
    stream: String,
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    duplicate: bool,
}

fn read_ack(reply: &Message, expected: &str) -> Result<Stored, Fault> {
    if reply.status == Some(StatusCode::NO_RESPONDERS) {
        return Err(Fault::NoResponders);
    }
    let ack: Ack =
        serde_json::from_slice(&reply.payload).map_err(|error| Fault::Unreadable(error.to_string()))?;
    match ack {
        Ack { error: Some(error), .. } => Err(Fault::Api(error)),
        // So nats-server 2.10 says what later ones say by an error of this number.
        Ack { seq: 0, duplicate: true, .. } => Err(Fault::Api(ApiError {
            code: 409,
            err_code: 10158,
            description: "the server has begun to store a message of this id; it forgets an id that it did not store after the duplicate window".to_owned(),
        })),
        Ack { seq: 0, .. } => Err(Fault::Unreadable("it carries no sequence".to_owned())),
        Ack { stream, .. } if stream != expected => Err(Fault::StoredIn(stream)),
        Ack { error: None, stream, seq, duplicate } => Ok(Stored { stream, sequence: seq, duplicate }),
    }
}

fn client_fault(error: &async_nats::PublishError) -> Fault {
    let text = error.to_string();
    match error.kind() {
        async_nats::PublishErrorKind::MaxPayloadExceeded => Fault::TooLarge(text),
        async_nats::PublishErrorKind::InvalidSubject => Fault::Malformed(text),
        async_nats::PublishErrorKind::Send => Fault::ClientClosed(text),
    }
}

/// A subject that a message can have: tokens without wildcards, white space or control characters.
pub(crate) fn check_subject(subject: &str) -> Result<(), Fault> {
    let token_is_bad =
        |token: &str| token.is_empty() || token.contains(['*', '>']) || token.contains(is_unprintable);
    if subject.split('.').any(token_is_bad) {
        return Err(Fault::Malformed(format!(
            "`{}` is not a subject that a message can have",
            subject.escape_debug()
        )));
    }
    Ok(())
}

pub(crate) fn is_unprintable(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

pub(crate) fn headers(
    stream: &str,
    message_id: String,
    given: Vec<(String, String)>,
) -> Result<HeaderMap, Fault> {
    let mut map = HeaderMap::new();
    append(&mut map, header::MESSAGE_ID, message_id)?;
    append(&mut map, EXPECTED_STREAM, stream.to_owned())?;
    for (name, value) in given {
        if is_reserved(&name) {
            return Err(Fault::Malformed(format!(
                "header `{}`: the prefix Nats- is the server's",
                name.escape_debug()
            )));
        }
        append(&mut map, &name, value)?;
    }
    Ok(map)
}

/// True for a header that the server gives a meaning of its own.
pub(crate) fn is_reserved(name: &str) -> bool {
    name.get(..RESERVED_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(RESERVED_PREFIX))
}

/// The client panics on a bad header when it is given text: everything is checked here first.
fn append(map: &mut HeaderMap, name: &str, value: String) -> Result<(), Fault> {
    let bad = |what: &str| Fault::Malformed(format!("header `{}` {what}", name.escape_debug()));
    if name.is_empty() {
        return Err(bad("has no name"));
    }
    if value.contains(['\r', '\n', '\0']) {
        return Err(bad("has a line break or a NUL in its value"));
    }
    let name = match known(name) {
        Some(known) => known,
        None => name.parse().map_err(|_| bad("has a name that is not printable ASCII without `:`"))?,
    };
    map.append(name, HeaderValue::from(value));
    Ok(())
}

/// The names that nearly every message has: they cost no allocation.
fn known(name: &str) -> Option<HeaderName> {
    const KNOWN: [&str; 9] = [
        header::MESSAGE_ID,
        header::CORRELATION_ID,
        header::CAUSATION_ID,
        header::EVENT_VERSION,
        header::EVENT_TYPE,
        header::OCCURRED_AT,
        header::AGGREGATE_TYPE,
        header::AGGREGATE_ID,
        header::TRACEPARENT,
    ];
    KNOWN.iter().find(|known| **known == name).map(|known| HeaderName::from_static(known))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use async_nats::Message;

    use super::{Fault, check_subject, headers, read_ack};

    fn answer(payload: &'static str) -> Message {
        Message {
            subject: "_INBOX.1".into(),
            reply: None,
            payload: payload.into(),
            headers: None,
            status: None,
            description: None,
            length: payload.len(),
        }
    }

    #[test]
    fn only_an_answer_with_a_sequence_is_an_ack() {
        let stored = read_ack(&answer(r#"{"stream":"S","seq":7,"duplicate":true}"#), "S").unwrap();
        assert_eq!((stored.sequence, stored.duplicate), (7, true));
        let begun = read_ack(&answer(r#"{"stream":"S","seq":0,"duplicate":true}"#), "S").unwrap_err();
        assert!(matches!(&begun, Fault::Api(error) if error.err_code == 10158), "{begun:?}");
        for strange in [r#"{"stream":"S","seq":0}"#, "{}", "[", ""] {
            let fault = read_ack(&answer(strange), "S").unwrap_err();
            assert!(matches!(&fault, Fault::Unreadable(_)), "{strange}: {fault:?}");
        }
    }

    fn one_header(name: &str, value: &str) -> Result<(), Fault> {
        let given = vec![(name.to_owned(), value.to_owned())];
        headers("S", "1".to_owned(), given).map(drop)
    }

    #[test]
    fn bad_headers_are_refused_not_panicked_on() {
        let bad = [
            ("X-A", "two\nlines"),
            ("X-A", "two\r\nNats-Msg-Id: 2"),
            ("X-A", "a\0b"),
            ("X A", "b"),
            ("X:A", "b"),
            ("Ä", "b"),
            ("", "b"),
            ("Nats-Rollup", "all"),
            ("nats-expected-stream", "OTHER"),
        ];
        for (name, value) in bad {
            assert!(one_header(name, value).is_err(), "{name:?}: {value:?}");
        }
        for (name, value) in [("X-A", ""), ("traceparent", "00-ab-cd-01"), ("X-A", "ünï")] {
            assert!(one_header(name, value).is_ok(), "{name:?}: {value:?}");
        }
    }

    #[test]
    fn wildcards_and_gaps_are_no_subjects() {
        for bad in ["", "a..b", ".a", "a.", "a.*", "a.>", "a b", "a.b\r\n", "a.\u{7f}"] {
            assert!(check_subject(bad).is_err(), "{bad:?}");
        }
        assert!(check_subject("sea.dlq.vibespro.event.vibe_created.v1").is_ok());
    }
}
