use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use time::OffsetDateTime;

/// What a stream is at this moment.
#[derive(Clone, Debug, Deserialize)]
pub struct StreamFacts {
    /// When it was created: this names the stream's incarnation. A stream that was deleted and
    /// made again has another one, and counts its sequences from 1 again.
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
    state: StreamState,
    /// Its configuration, as the server told it.
    pub config: Value,
    /// Who leads it; none where it is not replicated.
    #[serde(default, rename = "cluster")]
    pub leadership: Option<Leadership>,
}

/// One server's time as the leader of a stream: another one may hold other messages.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Leadership {
    /// Name of the server.
    pub leader: Option<String>,
    /// When it was elected; servers before 2.12 do not tell.
    #[serde(default, deserialize_with = "lenient_time")]
    pub leader_since: Option<OffsetDateTime>,
}

#[derive(Clone, Debug, Deserialize)]
struct StreamState {
    #[serde(default)]
    messages: u64,
    #[serde(default)]
    bytes: u64,
    #[serde(default)]
    first_seq: u64,
    #[serde(default)]
    last_seq: u64,
    #[serde(default, deserialize_with = "lenient_time")]
    first_ts: Option<OffsetDateTime>,
    #[serde(default)]
    consumer_count: u64,
}

impl StreamFacts {
    /// Sequence of the oldest stored message; one above `last_seq` when there is none.
    #[must_use]
    pub fn first_seq(&self) -> u64 {
        self.state.first_seq
    }

    /// Sequence of the newest message ever stored; 0 when there was none.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.state.last_seq
    }

    /// How many messages are stored.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.state.messages
    }

    /// How many bytes are stored.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.state.bytes
    }

    /// When the oldest stored message was stored.
    #[must_use]
    pub fn first_time(&self) -> Option<OffsetDateTime> {
        self.state.first_ts.filter(|_| self.state.messages > 0)
    }

    /// How many consumers read from it.
    #[must_use]
    pub fn consumers(&self) -> u64 {
        self.state.consumer_count
    }

    /// Size limit in bytes, if there is one.
    #[must_use]
    pub fn max_bytes(&self) -> Option<u64> {
        self.limit("max_bytes")
    }

    /// Limit of one message in bytes, headers included, if there is one.
    #[must_use]
    pub fn max_message_bytes(&self) -> Option<u64> {
        self.limit("max_msg_size")
    }

    /// How long a message is kept, if not for ever.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        self.limit("max_age").map(Duration::from_nanos)
    }

    /// Within what time a second message with the same id is dropped.
    #[must_use]
    pub fn duplicate_window(&self) -> Duration {
        Duration::from_nanos(self.limit("duplicate_window").unwrap_or_default())
    }

    /// On how many servers each message is stored.
    #[must_use]
    pub fn replicas(&self) -> u64 {
        self.limit("num_replicas").unwrap_or(1)
    }

    /// True when `filter` takes every subject that the stream listens on: every sequence was then a
    /// message for whoever reads with this filter. False when that is not known, as with a mirror,
    /// which listens on none.
    #[must_use]
    pub fn is_taken_whole_by(&self, filter: &str) -> bool {
        let subjects = self.config.get("subjects").and_then(Value::as_array);
        let fed_by_others = ["mirror", "sources", "subject_transform"];
        let fed = fed_by_others.iter().any(|field| self.config.get(field).is_some_and(|it| !it.is_null()));
        !fed && subjects.is_some_and(|subjects| {
            !subjects.is_empty()
                && subjects.iter().all(|subject| subject.as_str().is_some_and(|it| covers(filter, it)))
        })
    }

    /// A limit; 0 and negative mean none.
    fn limit(&self, field: &str) -> Option<u64> {
        self.config.get(field).and_then(Value::as_u64).filter(|limit| *limit > 0)
    }
}

/// What a durable consumer is at this moment.
#[derive(Clone, Debug, Deserialize)]
pub struct DurableFacts {
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
    /// Last delivery.
    pub delivered: Position,
    /// Everything up to here is acked.
    pub ack_floor: Position,
    /// Messages of the stream that match and were not delivered yet.
    #[serde(default)]
    pub num_pending: u64,
    /// Messages delivered and not acked.
    #[serde(default)]
    pub num_ack_pending: u64,
    /// Messages delivered more than once and not acked.
    #[serde(default)]
    pub num_redelivered: u64,
    /// Open pull requests.
    #[serde(default)]
    pub num_waiting: u64,
    /// Its configuration, as the server told it.
    pub config: Value,
}

/// A place in a stream as a consumer sees it.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Position {
    /// Deliveries so far.
    pub consumer_seq: u64,
    /// Sequence in the stream.
    pub stream_seq: u64,
}

/// True when everything that the pattern `inner` matches is matched by `outer` too.
fn covers(outer: &str, inner: &str) -> bool {
    let (mut outer, mut inner) = (outer.split('.'), inner.split('.'));
    loop {
        match (outer.next(), inner.next()) {
            (None, None) | (Some(">"), Some(_)) => return true,
            (Some("*"), Some(token)) if token != ">" => {}
            (Some(want), Some(have)) if want == have => {}
            (Some(_), Some(_)) | (Some(_), None) | (None, Some(_)) => return false,
        }
    }
}

/// The server writes the year 1 for "never", with offsets that not every parser likes.
fn lenient_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<OffsetDateTime>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text
        .and_then(|text| OffsetDateTime::parse(&text, &time::format_description::well_known::Rfc3339).ok()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::{DurableFacts, StreamFacts, covers};

    #[test]
    fn filters_that_take_all() {
        for (outer, inner, all) in [
            ("a.event.>", "a.event.>", true),
            (">", "a.event.>", true),
            ("a.>", "a.event.>", true),
            ("a.event.>", "a.event.*", true),
            ("a.*.x", "a.b.x", true),
            ("a.event.x.v1", "a.event.>", false),
            ("a.event.*", "a.event.>", false),
            ("a.event.x.*", "a.event.>", false),
            ("a.event.>", "a.event", false),
            ("a.event.>", "b.event.>", false),
        ] {
            assert_eq!(covers(outer, inner), all, "{outer} {inner}");
        }
        let facts = |config: &str| {
            let text = format!(r#"{{"created":"2026-11-21T10:00:00Z","state":{{}},"config":{config}}}"#);
            serde_json::from_str::<StreamFacts>(&text).unwrap()
        };
        assert!(facts(r#"{"subjects":["a.event.>"]}"#).is_taken_whole_by("a.event.>"));
        assert!(!facts(r#"{"subjects":["a.event.>","b.>"]}"#).is_taken_whole_by("a.event.>"));
        for unknown in
            [r#"{"mirror":{"name":"S"}}"#, "{}", r#"{"subjects":["a.>"],"sources":[{"name":"S"}]}"#]
        {
            assert!(!facts(unknown).is_taken_whole_by(">"), "{unknown}");
        }
    }

    #[test]
    fn stream_info_is_read() {
        let facts: StreamFacts = serde_json::from_str(
            r#"{"type":"io.nats.jetstream.api.v1.stream_info_response","total":0,
                "config":{"name":"S","max_bytes":-1,"max_age":604800000000000,"max_msg_size":1000,
                          "duplicate_window":120000000000,"num_replicas":3,"new_field":true},
                "created":"2026-11-21T10:00:00.123456789Z",
                "state":{"messages":0,"bytes":0,"first_seq":1,"first_ts":"0001-01-01T00:00:00Z",
                         "last_seq":0,"last_ts":"0001-01-01T00:00:00Z","consumer_count":2}}"#,
        )
        .unwrap();
        assert_eq!((facts.first_seq(), facts.last_seq(), facts.consumers()), (1, 0, 2));
        assert_eq!((facts.max_bytes(), facts.max_message_bytes()), (None, Some(1000)));
        assert_eq!(facts.max_age(), Some(Duration::from_secs(604_800)));
        assert_eq!((facts.replicas(), facts.first_time()), (3, None));
        assert_eq!(facts.created.unix_timestamp_nanos() % 1_000_000_000, 123_456_789);
    }

    #[test]
    fn consumer_info_is_read() {
        let facts: DurableFacts = serde_json::from_str(
            r#"{"stream_name":"S","name":"d","created":"2026-11-21T10:00:00Z",
                "config":{"durable_name":"d"},"delivered":{"consumer_seq":3,"stream_seq":7,
                "last_active":"2026-11-21T10:00:00Z"},"ack_floor":{"consumer_seq":1,"stream_seq":2},
                "num_ack_pending":2,"num_redelivered":1,"num_waiting":0,"num_pending":5}"#,
        )
        .unwrap();
        assert_eq!((facts.delivered.stream_seq, facts.ack_floor.consumer_seq), (7, 1));
        assert_eq!((facts.num_pending, facts.num_ack_pending, facts.num_redelivered), (5, 2, 1));
    }
}
