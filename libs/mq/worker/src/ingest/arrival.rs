//! From a message of the stream to an inbox row: pure.

use bytes::Bytes;
use sea_mq_contracts::Contracts;
use sea_mq_event::{Subject, header, inbox_lane, position_id, usable_message_id};
use sea_mq_inbox::{AggregateKey, Arrival, Attempt, QueuedRow, Unusable};
use sea_mq_stream::{Delivery, RangeMessage};
use serde_json::value::RawValue;
use time::OffsetDateTime;

/// What a delivery and a message read from the stream have in common.
pub(super) struct Incoming {
    pub(super) subject: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) message_id: Option<String>,
    pub(super) body: Bytes,
    pub(super) stream_seq: u64,
    /// Why its headers cannot be read, if so.
    pub(super) unreadable: Option<String>,
}

impl From<RangeMessage> for Incoming {
    fn from(m: RangeMessage) -> Self {
        Self {
            subject: m.subject,
            headers: m.headers,
            message_id: m.message_id,
            body: m.body,
            stream_seq: m.stream_seq,
            unreadable: m.unreadable,
        }
    }
}

impl From<Delivery> for Incoming {
    fn from(d: Delivery) -> Self {
        Self {
            subject: d.subject,
            headers: d.headers,
            message_id: d.message_id,
            body: d.body,
            stream_seq: d.stream_seq,
            unreadable: None,
        }
    }
}

/// The row that a message is recorded as. Nothing that arrives is without one.
pub(super) fn arrival(
    message: Incoming,
    stream: &str,
    incarnation: OffsetDateTime,
    contracts: &Contracts,
) -> Arrival {
    let header = |name: &str| {
        let found = message.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
    };
    let usable_id = usable_message_id(message.message_id.as_deref());
    let message_id = usable_id
        .unwrap_or_else(|| position_id(stream, incarnation.unix_timestamp_nanos(), message.stream_seq));
    let subject = Subject::parse(&message.subject).ok();
    let (kind, id) = (header(header::AGGREGATE_TYPE), header(header::AGGREGATE_ID));
    let version = header(header::EVENT_VERSION).and_then(|v| v.parse().ok());
    let unusable = match usable_id {
        _any if message.unreadable.is_some() => message.unreadable.as_deref().map(unreadable),
        None => Some(missing_id(message.message_id.as_deref())),
        Some(_) => {
            malformed(&message.body).or_else(|| breaks_contract(contracts, &message.subject, &message.body))
        }
    };
    Arrival {
        message_id,
        event_type: subject
            .as_ref()
            .map(|s| s.event_type().to_owned())
            .or_else(|| header(header::EVENT_TYPE)),
        event_version: subject.as_ref().map(Subject::version).or(version),
        lane: inbox_lane(kind.as_deref(), id.as_deref(), message_id),
        aggregate_type: kind,
        aggregate_id: id,
        stream_seq: i64::try_from(message.stream_seq).unwrap_or(i64::MAX),
        headers: message.headers,
        subject: message.subject,
        body: message.body,
        unusable,
        start: false,
    }
}

fn missing_id(given: Option<&str>) -> Unusable {
    let error = match given {
        None => "the message has no Nats-Msg-Id".to_owned(),
        Some(text) => format!("its Nats-Msg-Id is not a UUID: {}", clean(text, 100)),
    };
    Unusable { reason: "missing_message_id", error }
}

fn unreadable(why: &str) -> Unusable {
    Unusable { reason: "malformed", error: format!("no client can read it: {why}") }
}

fn malformed(body: &[u8]) -> Option<Unusable> {
    let error = serde_json::from_slice::<&RawValue>(body).err()?;
    Some(Unusable { reason: "malformed", error: format!("the body is not JSON: {error}") })
}

fn breaks_contract(contracts: &Contracts, subject: &str, body: &[u8]) -> Option<Unusable> {
    let violation = contracts.check(subject, body).err()?;
    Some(Unusable { reason: "contract", error: violation.to_string() })
}

/// The row for a message that the database refused as it is: what was refused is left out, headers
/// and body stay whole for the dead letter.
pub(super) fn bare(refused: &Arrival, why: &str) -> Arrival {
    Arrival {
        subject: clean(&refused.subject, 500),
        event_type: None,
        event_version: None,
        aggregate_type: None,
        aggregate_id: None,
        unusable: Some(Unusable {
            reason: "malformed",
            error: clean(&format!("the inbox cannot hold it: {why}"), 900),
        }),
        start: false,
        ..refused.clone()
    }
}

fn clean(text: &str, max_chars: usize) -> String {
    text.chars().take(max_chars).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The queue's view of a row that was recorded at `pos`.
pub(super) fn queued(arrival: &Arrival, pos: i64) -> QueuedRow {
    let (kind, id) = (arrival.aggregate_type.as_deref(), arrival.aggregate_id.as_deref());
    QueuedRow {
        message_id: arrival.message_id,
        lane: arrival.lane,
        pos,
        key: AggregateKey::of(kind, id, arrival.message_id, false),
        event_type: arrival.event_type.clone().unwrap_or_default(),
        attempts: 0,
        suspect: false,
    }
}

/// The attempt that was recorded with the row.
pub(super) fn first_attempt(arrival: Arrival) -> Attempt {
    Attempt {
        message_id: arrival.message_id,
        fence: 1,
        attempts: 1,
        subject: arrival.subject,
        event_type: arrival.event_type,
        event_version: arrival.event_version,
        aggregate_type: arrival.aggregate_type,
        aggregate_id: arrival.aggregate_id,
        headers: arrival.headers,
        body: arrival.body,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use sea_mq_contracts::Contracts;
    use time::OffsetDateTime;

    use super::{Incoming, arrival};

    const ID: &str = "0191f0a0-0000-7000-8000-000000000001";

    fn incoming(id: Option<&str>, body: &[u8]) -> Incoming {
        Incoming {
            subject: "sea.event.case_created.v2".to_owned(),
            headers: vec![("X-Aggregate-Id".to_owned(), "c-1".to_owned())],
            message_id: id.map(str::to_owned),
            body: Bytes::copy_from_slice(body),
            stream_seq: 7,
            unreadable: None,
        }
    }

    fn reason(id: Option<&str>, body: &[u8]) -> Option<&'static str> {
        let none = Contracts::none();
        arrival(incoming(id, body), "SEA_EVENTS", OffsetDateTime::UNIX_EPOCH, &none)
            .unusable
            .map(|u| u.reason)
    }

    #[test]
    fn what_can_be_handled_and_what_cannot() {
        assert_eq!(reason(Some(ID), b"{\"a\":1}"), None);
        assert_eq!(reason(Some(ID), b"\"\\u0000\""), None, "JSON that jsonb would refuse");
        assert_eq!(reason(Some(ID), &[b"[".repeat(5000), b"]".repeat(5000)].concat()), None, "deep");
        assert_eq!(reason(None, b"{}"), Some("missing_message_id"));
        assert_eq!(reason(Some("7"), b"{}"), Some("missing_message_id"));
        for body in [&b""[..], b"{", b"{} {}", b"\xff\xfe", b"nul"] {
            assert_eq!(reason(Some(ID), body), Some("malformed"), "{body:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_become_a_row(
            subject in "\\PC{0,60}", body in prop::collection::vec(any::<u8>(), 0..200),
            id in prop::option::of("\\PC{0,40}"), name in "\\PC{0,20}", value in "\\PC{0,40}", seq: u64,
        ) {
            let message = Incoming {
                subject, headers: vec![(name, value)], message_id: id, body: Bytes::from(body), stream_seq: seq,
                unreadable: None,
            };
            let row = arrival(message, "S", OffsetDateTime::UNIX_EPOCH, &Contracts::none());
            prop_assert!((0..32).contains(&row.lane));
        }
    }
}
