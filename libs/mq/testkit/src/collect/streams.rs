use async_nats::jetstream::consumer::pull::OrderedConfig;
use async_nats::jetstream::{Context, ErrorCode, Message, context::GetStreamErrorKind};
use futures::StreamExt;
use sea_mq_event::{header, position_id, usable_message_id};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Letters, Streamed};
use crate::TestkitError;
use crate::history::{DeadLetter, Place, StreamedEvent};

pub(super) async fn events(jetstream: &Context, stream: &str) -> Streamed {
    read(jetstream, stream, |message, place| {
        let id = usable_message_id(header_of(message, header::MESSAGE_ID))
            .unwrap_or_else(|| position_id(stream, place.incarnation.unix_timestamp_nanos(), place.seq));
        Ok(StreamedEvent { id, subject: message.subject.to_string(), place })
    })
    .await
}

pub(super) async fn letters(jetstream: &Context, stream: &str) -> Letters {
    read(jetstream, stream, read_letter).await
}

fn read_letter(message: &Message, place: Place) -> Result<DeadLetter, TestkitError> {
    let wanted = |name: &str| {
        header_of(message, name).ok_or_else(|| {
            TestkitError::Unexpected(format!(
                "dead letter {}#{} has no header {name}",
                place.stream, place.seq
            ))
        })
    };
    let own_id = wanted(header::MESSAGE_ID)?;
    let malformed = || TestkitError::Unexpected(format!("`{own_id}` is not the message id of a dead letter"));
    let mut parts = own_id.splitn(3, '/');
    let (id, consumer, epoch) = (parts.next(), parts.next(), parts.next());
    let id = id.and_then(|text| Uuid::try_parse(text).ok()).ok_or_else(malformed)?;
    let epoch = epoch.and_then(|text| text.parse().ok()).ok_or_else(malformed)?;
    if (wanted(header::EVENT_ID)?, Some(wanted(header::DLQ_CONSUMER)?)) != (id.to_string().as_str(), consumer)
    {
        return Err(TestkitError::Unexpected(format!(
            "the headers of dead letter `{own_id}` contradict its id"
        )));
    }
    Ok(DeadLetter {
        consumer: consumer.unwrap_or_default().to_owned(),
        id,
        epoch,
        reason: wanted(header::DLQ_REASON)?.to_owned(),
        place,
    })
}

/// Every message of a stream; none when there is no such stream.
async fn read<T>(
    jetstream: &Context,
    stream: &str,
    mut take: impl FnMut(&Message, Place) -> Result<T, TestkitError>,
) -> Result<Vec<T>, TestkitError> {
    let doing = || format!("reading all of stream {stream}");
    // A stream that has just lost its leader answers nobody until the next one is elected.
    let mut elections = 0;
    let mut found = loop {
        match jetstream.get_stream(stream).await {
            Ok(found) => break found,
            Err(error) if is_missing(&error.kind()) => return Ok(Vec::new()),
            Err(_) if elections < 5 => elections += 1,
            Err(error) => return Err(TestkitError::broker(doing())(error)),
        }
    };
    let info = found.info().await.map_err(TestkitError::broker(doing()))?;
    let (incarnation, mut left) = (micros(info.created), info.state.messages);
    let mut taken = Vec::new();
    if left == 0 {
        return Ok(taken);
    }
    let consumer =
        found.create_consumer(OrderedConfig::default()).await.map_err(TestkitError::broker(doing()))?;
    let mut messages = consumer.messages().await.map_err(TestkitError::broker(doing()))?;
    while left > 0 {
        let next = messages.next().await.ok_or_else(|| TestkitError::broker(doing())("it ended early"))?;
        let message = next.map_err(TestkitError::broker(doing()))?;
        let info = message.info().map_err(TestkitError::broker(doing()))?;
        let (seq, pending) = (info.stream_sequence, info.pending);
        taken.push(take(&message, self::place(stream, incarnation, seq))?);
        left = pending;
    }
    Ok(taken)
}

/// As databases keep it: they know no nanoseconds.
fn micros(time: OffsetDateTime) -> OffsetDateTime {
    time.replace_nanosecond(time.nanosecond() / 1_000 * 1_000).unwrap_or(time)
}

fn is_missing(kind: &GetStreamErrorKind) -> bool {
    match kind {
        GetStreamErrorKind::JetStream(error) => error.error_code() == ErrorCode::STREAM_NOT_FOUND,
        GetStreamErrorKind::EmptyName
        | GetStreamErrorKind::Request
        | GetStreamErrorKind::InvalidStreamName => false,
    }
}

fn place(stream: &str, incarnation: OffsetDateTime, seq: u64) -> Place {
    Place { stream: stream.to_owned(), incarnation, seq }
}

fn header_of<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    message.headers.as_ref()?.get(name).map(|value| value.as_str())
}
