mod original;

use bytes::Bytes;
use sea_mq_event::{dead_letter_message_id, header};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::publish::Outgoing;
use original::{Original, bytes_of, sendable_subject};

/// Longest `X-Dlq-Error`, and longest of the other texts that come from elsewhere, in bytes.
const MAX_ERROR: usize = 1024;
/// What the version line, the names of the broker's own headers and `X-Dlq-Left-Out` take at most, in bytes.
const RESERVED: usize = 2048;

/// An event that its consumer gave up, on its way to `{context}.dlq.{original subject}`.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The prefix of dead letters of the context that gave up, such as `sea.dlq.`.
    pub prefix: String,
    /// The event's own subject.
    pub subject: String,
    /// The event's own headers, as received.
    pub headers: Vec<(String, String)>,
    /// The event's own body, as received.
    pub body: Bytes,
    /// The event's id; without a usable one, the id of its position.
    pub event_id: Uuid,
    /// Why: `poison`, `max_deliver`, `missing_message_id`, `malformed` or `contract`.
    pub reason: String,
    /// The last error, in any form: it is made one line of at most 1 KiB here.
    pub error: String,
    /// Attempts that were made.
    pub attempts: i32,
    /// The durable consumer that gave up.
    pub consumer: String,
    /// The stream that the event came from.
    pub stream: String,
    /// Its sequence there.
    pub stream_seq: u64,
    /// When it was given up.
    pub failed_at: OffsetDateTime,
    /// How often it was redriven before: part of the letter's own id.
    pub epoch: i32,
}

impl DeadLetter {
    /// The message to publish, at most `max_payload` bytes with its headers: body and headers are the
    /// original's, and the letter's own added.
    ///
    /// The server's own headers (`Nats-…`) of the original are left out: an expected sequence of
    /// long ago would keep the letter from being stored. A header that cannot be sent is left out as
    /// well, and so are the largest parts of an original that leaves no room for the letter's headers:
    /// `X-Dlq-Left-Out` names them. A subject that no letter can have is made one that it can, and
    /// `X-Dlq-Subject` says what it was. So a letter is never refused for what its original was.
    #[must_use]
    pub fn into_outgoing(self, max_payload: usize) -> Outgoing {
        let mut own = self.letter_headers();
        let message_id = dead_letter_message_id(self.event_id, &self.consumer, self.epoch);
        let wanted = format!("{}{}", self.prefix, self.subject);
        let subject = sendable_subject(&wanted);
        if subject != wanted {
            own.push((header::DLQ_SUBJECT.to_owned(), one_line(&self.subject)));
        }
        let room = max_payload.saturating_sub(bytes_of(&own) + message_id.len() + RESERVED);
        let Original { headers, body, left_out } = Original::taken(self.headers, self.body).within(room);
        if !left_out.is_empty() {
            own.push((header::DLQ_LEFT_OUT.to_owned(), one_line(&left_out.join(", "))));
        }
        Outgoing { subject, message_id, headers: headers.into_iter().chain(own).collect(), payload: body }
    }

    fn letter_headers(&self) -> Vec<(String, String)> {
        let failed_at = self.failed_at.to_offset(time::UtcOffset::UTC).format(&Rfc3339);
        let pairs = [
            (header::DLQ_REASON, self.reason.clone()),
            (header::DLQ_ERROR, one_line(&self.error)),
            (header::DLQ_ATTEMPTS, self.attempts.to_string()),
            (header::DLQ_CONSUMER, self.consumer.clone()),
            (header::DLQ_STREAM, self.stream.clone()),
            (header::DLQ_STREAM_SEQ, self.stream_seq.to_string()),
            (header::DLQ_FAILED_AT, failed_at.unwrap_or_default()),
            (header::EVENT_ID, self.event_id.to_string()),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// Control characters become spaces, and the text ends at 1 KiB on a whole character.
fn one_line(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let trimmed = clean.trim();
    let mut end = trimmed.len().min(MAX_ERROR);
    while !trimmed.is_char_boundary(end) {
        end -= 1;
    }
    trimmed[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use time::macros::datetime;
    use uuid::Uuid;

    use super::{DeadLetter, MAX_ERROR, one_line};

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn carries_the_original_and_its_own() {
        let letter = DeadLetter {
            prefix: "sea.dlq.".to_owned(),
            subject: "vibespro.event.vibe_created.v1".to_owned(),
            headers: vec![
                pair("Nats-Msg-Id", "old"),
                pair("Nats-Expected-Last-Sequence", "3"),
                pair("X-Correlation-Id", "c"),
                pair("X-Dlq-Reason", "of an earlier life"),
            ],
            body: Bytes::from_static(b"{}"),
            event_id: Uuid::from_u128(1),
            reason: "poison".to_owned(),
            error: "422\r\nNats-Msg-Id: x".to_owned(),
            attempts: 3,
            consumer: "sea__from_vibespro".to_owned(),
            stream: "VIBESPRO_EVENTS".to_owned(),
            stream_seq: 7,
            failed_at: datetime!(2026-11-21 12:00 +02:00),
            epoch: 1,
        };
        let out = letter.into_outgoing(1_048_576);
        assert_eq!(out.subject, "sea.dlq.vibespro.event.vibe_created.v1");
        assert_eq!(out.message_id, "00000000-0000-0000-0000-000000000001/sea__from_vibespro/1");
        assert_eq!(
            out.headers,
            [
                pair("X-Correlation-Id", "c"),
                pair("X-Dlq-Reason", "poison"),
                pair("X-Dlq-Error", "422  Nats-Msg-Id: x"),
                pair("X-Dlq-Attempts", "3"),
                pair("X-Dlq-Consumer", "sea__from_vibespro"),
                pair("X-Dlq-Stream", "VIBESPRO_EVENTS"),
                pair("X-Dlq-Stream-Seq", "7"),
                pair("X-Dlq-Failed-At", "2026-11-21T10:00:00Z"),
                pair("X-Event-Id", "00000000-0000-0000-0000-000000000001"),
            ]
        );
    }

    #[test]
    fn an_error_is_one_short_line() {
        assert_eq!(one_line("a\nb\u{0}c\u{85}d"), "a b c d");
        let long = one_line(&"ä".repeat(2000));
        assert!(long.len() <= MAX_ERROR && long.len() > MAX_ERROR - 2, "{}", long.len());
    }
}
