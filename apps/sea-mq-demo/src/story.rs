use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgPool, Row as _};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::ledger::Flow;

/// What happened to one event, and when.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    at: OffsetDateTime,
    what: &'static str,
    detail: String,
}

/// A committed event as the producing outbox keeps it.
#[derive(Debug)]
struct OutboxRow {
    subject: String,
    recorded_at: OffsetDateTime,
    stream: Option<String>,
    stream_seq: Option<i64>,
    correlation_id: Uuid,
    causation_id: Option<Uuid>,
}

/// The same event as the consuming inbox keeps it.
#[derive(Debug)]
struct InboxRow {
    received_at: OffsetDateTime,
    attempts: i32,
    processed_at: Option<OffsetDateTime>,
    dead_lettered_at: Option<OffsetDateTime>,
    dead_reason: Option<String>,
}

impl FromRow<'_, PgRow> for OutboxRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            subject: row.try_get("subject")?,
            recorded_at: row.try_get("recorded_at")?,
            stream: row.try_get("stream")?,
            stream_seq: row.try_get("stream_seq")?,
            correlation_id: row.try_get("correlation_id")?,
            causation_id: row.try_get("causation_id")?,
        })
    }
}

impl FromRow<'_, PgRow> for InboxRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            received_at: row.try_get("received_at")?,
            attempts: row.try_get("attempts")?,
            processed_at: row.try_get("processed_at")?,
            dead_lettered_at: row.try_get("dead_lettered_at")?,
            dead_reason: row.try_get("dead_reason")?,
        })
    }
}

/// Tells one event step by step: from the databases, the stream, and its handler's log.
pub(crate) async fn tell(
    flow: &Flow<'_>,
    id: Uuid,
    handler_log: &str,
    streams: &async_nats::Client,
) -> anyhow::Result<Vec<String>> {
    let sent = outbox_row(&flow.from.observer, id).await?;
    let stored = stored(streams, &sent).await?;
    let came = inbox_row(&flow.to.observer, id, &flow.consumer()).await?;
    let mut lines = vec![format!("{} {id}", sent.subject)];
    lines.push(format!("  correlation {}{}", sent.correlation_id, cause(sent.causation_id)));
    let mut moments = vec![committed(flow, &sent), stored, recorded(flow, &came)];
    moments.extend(attempts(handler_log, id));
    moments.extend(ended(&came));
    moments.sort_by_key(|moment| moment.at);
    lines.extend(moments.iter().map(|moment| line(moment, sent.recorded_at)));
    Ok(lines)
}

/// The processed score that needed the most attempts and has come all the way back.
pub(crate) async fn worth_telling(flow: &Flow<'_>) -> Result<Option<Uuid>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT message_id FROM inbox_messages
         JOIN vibe_views ON vibe_id::text = aggregate_id AND owner <> 'script'
         WHERE consumer = $1 AND state = 'processed' AND subject = 'vibespro.event.vibe_scored.v1'
         ORDER BY attempts DESC, received_at LIMIT 1",
    )
    .bind(flow.consumer())
    .fetch_optional(&flow.to.observer)
    .await
}

/// The events that one event caused.
pub(crate) async fn caused(pool: &PgPool, id: Uuid) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar("SELECT id FROM outbox_events WHERE causation_id = $1 ORDER BY seq")
        .bind(id)
        .fetch_all(pool)
        .await
}

async fn outbox_row(pool: &PgPool, id: Uuid) -> anyhow::Result<OutboxRow> {
    sqlx::query_as(
        "SELECT subject, recorded_at, stream, stream_seq, correlation_id, causation_id
         FROM outbox_events WHERE id = $1",
    )
    .bind(id)
    .fetch_optional(pool)
    .await?
    .with_context(|| format!("event {id} is not in the outbox"))
}

async fn inbox_row(pool: &PgPool, id: Uuid, consumer: &str) -> anyhow::Result<InboxRow> {
    sqlx::query_as(
        "SELECT received_at, attempts, processed_at, dead_lettered_at, dead_reason
         FROM inbox_messages WHERE message_id = $1 AND consumer = $2",
    )
    .bind(id)
    .bind(consumer)
    .fetch_optional(pool)
    .await?
    .with_context(|| format!("event {id} is not in the inbox of {consumer}"))
}

fn cause(causation: Option<Uuid>) -> String {
    causation.map_or_else(String::new, |cause| format!(", caused by {cause}"))
}

fn committed(flow: &Flow<'_>, sent: &OutboxRow) -> Moment {
    let detail = format!("in {}_db, one transaction with the state that it tells of", flow.from.name);
    Moment { at: sent.recorded_at, what: "committed", detail }
}

/// The stream itself says when it stored the message.
async fn stored(streams: &async_nats::Client, sent: &OutboxRow) -> anyhow::Result<Moment> {
    let (Some(stream), Some(sequence)) = (&sent.stream, sent.stream_seq) else {
        bail!("the event is not marked published");
    };
    let question = serde_json::to_vec(&json!({ "seq": sequence }))?;
    let answer = streams.request(format!("$JS.API.STREAM.MSG.GET.{stream}"), question.into()).await?;
    let answer: Value = serde_json::from_slice(&answer.payload)?;
    let time = answer["message"]["time"].as_str().with_context(|| format!("{stream} has no {sequence}"))?;
    let detail = format!("{stream} sequence {sequence}, acknowledged by the stream");
    Ok(Moment { at: OffsetDateTime::parse(time, &Rfc3339)?, what: "published", detail })
}

fn recorded(flow: &Flow<'_>, came: &InboxRow) -> Moment {
    let detail = format!("in {}_db, then acknowledged to the stream", flow.to.name);
    Moment { at: came.received_at, what: "recorded", detail }
}

fn ended(came: &InboxRow) -> Option<Moment> {
    let processed = came.processed_at.map(|at| {
        let detail = format!("at attempt {}, its effects in the same transaction", came.attempts);
        Moment { at, what: "processed", detail }
    });
    let reason = came.dead_reason.clone().unwrap_or_default();
    processed.or(came.dead_lettered_at.map(|at| Moment { at, what: "dead", detail: reason }))
}

/// The handler's lines: `2026-05-04T09:00:00.000Z WARNING why message_id=… attempt=1 status=503 …`.
fn attempts(log: &str, id: Uuid) -> Vec<Moment> {
    let wanted = format!(" message_id={id} ");
    log.lines()
        .filter_map(|line| {
            let (told, about) = line.split_once(&wanted)?;
            let (time, told) = told.split_once(' ')?;
            let (_level, why) = told.split_once(' ')?;
            let field = |name: &str| about.split(' ').find_map(|word| word.strip_prefix(name));
            let (attempt, status) = (field("attempt=")?, field("status=")?);
            let detail = format!("{attempt}: the handler answers {status}, {why}");
            Some(Moment { at: OffsetDateTime::parse(time, &Rfc3339).ok()?, what: "attempt", detail })
        })
        .collect()
}

fn line(moment: &Moment, start: OffsetDateTime) -> String {
    let after = (moment.at - start).whole_milliseconds();
    format!("  {:>6} ms  {:10} {}", after.max(0), moment.what, moment.detail)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use time::macros::datetime;
    use uuid::Uuid;

    use super::{attempts, line};

    #[test]
    fn attempts_are_read_from_the_handlers_log() {
        let id = Uuid::from_u128(7);
        let log = format!(
            "noise\n2026-05-04T09:00:00.250Z INFO processed message_id={} attempt=1 status=200\n\
             2026-05-04T09:00:01.500Z WARNING sea-api is gone message_id={id} attempt=2 status=503 took_ms=1.0\n",
            Uuid::from_u128(8)
        );
        let found = attempts(&log, id);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].at, datetime!(2026-05-04 09:00:01.5 UTC));
        let told = line(&found[0], datetime!(2026-05-04 09:00:00 UTC));
        assert_eq!(told, "    1500 ms  attempt    2: the handler answers 503, sea-api is gone");
    }
}
