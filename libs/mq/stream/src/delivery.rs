use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use sea_mq_event::header;
use time::OffsetDateTime;

/// One message as the durable consumer delivered it.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The subject that it was published to.
    pub subject: String,
    /// Every header, sorted by name; the values of a repeated name keep their order. White space
    /// around a value is gone.
    pub headers: Vec<(String, String)>,
    /// `Nats-Msg-Id` as received, whatever it is.
    pub message_id: Option<String>,
    /// The body.
    pub body: Bytes,
    /// Sequence in the stream.
    pub stream_seq: u64,
    /// Number of this delivery among all of the consumer; a gap in it is a delivery that this
    /// instance did not see.
    pub consumer_seq: u64,
    /// How often this message was delivered, this time included: from 1.
    pub delivered: u64,
    /// When the stream stored it.
    pub published_at: OffsetDateTime,
    /// How many matching messages were still undelivered.
    pub pending: u64,
    /// What acknowledges it.
    pub ack: AckToken,
}

/// Acknowledges one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AckToken(pub(crate) String);

impl AckToken {
    /// Acknowledges a message that was delivered and could not be received. The server looks at the
    /// sequence alone; what else a token says it knows better.
    #[must_use]
    pub fn of(stream: &str, durable: &str, stream_seq: u64) -> Self {
        Self(format!("$JS.ACK.{stream}.{durable}.1.{stream_seq}.1.0.0"))
    }
}

/// What a reply subject says about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) stream_seq: u64,
    pub(crate) consumer_seq: u64,
    pub(crate) delivered: u64,
    pub(crate) published_at: OffsetDateTime,
    pub(crate) pending: u64,
}

impl Delivery {
    /// Takes a message of a consumer apart; `None` when it is not one.
    pub(crate) fn read(message: Message) -> Option<Self> {
        let reply = message.reply?;
        let place = Place::parse(&reply)?;
        let headers = flatten(message.headers.as_ref());
        Some(Self {
            subject: message.subject.as_str().to_owned(),
            message_id: find(&headers, header::MESSAGE_ID),
            headers,
            body: message.payload,
            stream_seq: place.stream_seq,
            consumer_seq: place.consumer_seq,
            delivered: place.delivered,
            published_at: place.published_at,
            pending: place.pending,
            ack: AckToken(reply.as_str().to_owned()),
        })
    }
}

/// The first value of a header; names are compared without regard to case, as HTTP does and as
/// people type them.
pub(crate) fn find(headers: &[(String, String)], name: &str) -> Option<String> {
    headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
}

/// The client keeps headers in a hash map: sorting makes them the same each time.
pub(crate) fn flatten(map: Option<&HeaderMap>) -> Vec<(String, String)> {
    let Some(map) = map else { return Vec::new() };
    let mut headers: Vec<(String, String)> = map
        .iter()
        .flat_map(|(name, values)| {
            values.iter().map(move |value| (AsRef::<str>::as_ref(name).to_owned(), value.as_str().to_owned()))
        })
        .collect();
    headers.sort_by(|left, right| left.0.cmp(&right.0));
    headers
}

impl Place {
    /// Reads an ack subject in either form:
    /// `$JS.ACK.{stream}.{consumer}.{delivered}.{stream seq}.{consumer seq}.{ns}.{pending}`, or with
    /// `{domain}.{account}` before the stream and perhaps more tokens at the end.
    pub(crate) fn parse(reply: &str) -> Option<Self> {
        let tokens: Vec<&str> = reply.strip_prefix("$JS.ACK.")?.split('.').collect();
        let numbers = match tokens.len() {
            7 => tokens.get(2..7)?,
            9.. => tokens.get(4..9)?,
            _shorter => return None,
        };
        let number = |at: usize| numbers.get(at).and_then(|token| token.parse::<u64>().ok());
        Some(Self {
            delivered: number(0)?,
            stream_seq: number(1)?,
            consumer_seq: number(2)?,
            published_at: OffsetDateTime::from_unix_timestamp_nanos(i128::from(number(3)?)).ok()?,
            pending: number(4)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use async_nats::HeaderMap;
    use time::macros::datetime;

    use super::{Place, find, flatten};

    #[test]
    fn both_forms_of_the_ack_subject_are_read() {
        let want = Place {
            delivered: 2,
            stream_seq: 17,
            consumer_seq: 5,
            published_at: datetime!(2020-09-13 12:26:40.000000001 UTC),
            pending: 9,
        };
        for reply in [
            "$JS.ACK.S.d.2.17.5.1600000000000000001.9",
            "$JS.ACK._.hash.S.d.2.17.5.1600000000000000001.9",
            "$JS.ACK.hub.hash.S.d.2.17.5.1600000000000000001.9.random",
        ] {
            assert_eq!(Place::parse(reply), Some(want), "{reply}");
        }
        for other in
            ["", "_INBOX.x", "$JS.ACK.S.d.2.17.5.x.9", "$JS.ACK.S.d.2.17.5.1", "$JS.ACK.a.S.d.2.17.5.1.9"]
        {
            assert_eq!(Place::parse(other), None, "{other}");
        }
    }

    #[test]
    fn headers_are_sorted_and_found() {
        let mut map = HeaderMap::new();
        map.append("X-B", "2");
        map.append("x-a", "1");
        map.append("X-B", "1");
        let headers = flatten(Some(&map));
        let shown: Vec<String> = headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(shown, ["X-B=2", "X-B=1", "x-a=1"]);
        assert_eq!(find(&headers, "X-A").as_deref(), Some("1"));
        assert_eq!(find(&headers, "X-C"), None);
    }
}
