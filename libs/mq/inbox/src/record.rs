use std::collections::HashSet;

use bytes::Bytes;
use sea_mq_failpoint::failpoint;
use sqlx::Row;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Headers, Inbox, InboxError};

/// Why a message cannot be handed to a handler; it is recorded as dying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// `missing_message_id`, `malformed` or `contract`.
    pub reason: &'static str,
    /// What was wrong, without control characters.
    pub error: String,
}

/// One message as it came from the stream.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Its id, or the stand-in for a missing one.
    pub message_id: Uuid,
    /// Its subject.
    pub subject: String,
    /// Event name, when the subject or a header tells.
    pub event_type: Option<String>,
    /// Contract version, likewise.
    pub event_version: Option<i32>,
    /// Aggregate kind.
    pub aggregate_type: Option<String>,
    /// Aggregate identity.
    pub aggregate_id: Option<String>,
    /// Its lane.
    pub lane: i16,
    /// Sequence in the stream.
    pub stream_seq: i64,
    /// Its headers as received.
    pub headers: Headers,
    /// The body as received.
    pub body: Bytes,
    /// Set when it cannot be handed to a handler.
    pub unusable: Option<Unusable>,
    /// Record it as started: this instance will call the handler for it at once.
    pub start: bool,
}

/// The right to record: the ingest lease, and where the messages come from.
#[derive(Clone, Debug)]
pub struct Ingest {
    /// This life of the instance.
    pub instance: Uuid,
    /// The lease's epoch.
    pub epoch: i64,
    /// The stream.
    pub stream: String,
    /// Its incarnation: when it was created.
    pub incarnation: OffsetDateTime,
    /// Everything up to here is recorded once this group is.
    pub recorded_seq: i64,
}

/// A row that was not in the inbox before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedRow {
    /// The message.
    pub message_id: Uuid,
    /// Its place in the recording order.
    pub pos: i64,
}

/// What became of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// Committed. Those that are not named were there already.
    New(Vec<RecordedRow>),
    /// Nothing was written: the ingest lease is somebody else's.
    LeaseLost,
}

// Locking the instance's row against its burial makes the lease check hold until the commit: a
// take-over either waits for this group or makes it write nothing.
//
// What is there already is left out before the insert: ON CONFLICT DO NOTHING would wait for a
// handler's transaction that has completed such a message and not committed. Nobody else records for
// this consumer meanwhile, so that nothing can come between the look and the insert.
const RECORD: &str = "
    WITH alive AS MATERIALIZED (
        SELECT id FROM mq_instances WHERE id = $1 FOR KEY SHARE),
    lease AS MATERIALIZED (
        SELECT FROM mq_leases l JOIN alive ON l.holder = alive.id
        WHERE l.role = $2 AND l.lane = 0 AND l.epoch = $3),
    added AS (
        INSERT INTO inbox_messages (message_id, consumer, subject, event_type, event_version, aggregate_type,
            aggregate_id, lane, stream, stream_created_at, stream_seq, headers, body,
            state, attempts, fence, dead_reason, last_error)
        SELECT u.message_id, $4, u.subject, u.event_type, u.event_version, u.aggregate_type,
            u.aggregate_id, u.lane, $5, $6, u.stream_seq, u.headers, u.body,
            CASE WHEN u.dead_reason IS NOT NULL THEN 'dying' WHEN u.start THEN 'running' ELSE 'ready' END,
            u.start::integer, u.start::integer, u.dead_reason, u.error
        FROM unnest($8::uuid[], $9::text[], $10::text[], $11::integer[], $12::text[], $13::text[], $14::smallint[],
                    $15::bigint[], $16::bytea[], $17::bytea[], $18::boolean[], $19::text[], $20::text[])
             WITH ORDINALITY u (message_id, subject, event_type, event_version, aggregate_type, aggregate_id, lane,
                    stream_seq, headers, body, start, dead_reason, error, n)
        WHERE EXISTS (SELECT FROM lease)
          AND (SELECT true FROM inbox_messages m WHERE m.message_id = u.message_id AND m.consumer = $4) IS NULL
        ORDER BY u.n
        RETURNING message_id, pos),
    advanced AS (
        INSERT INTO inbox_streams AS s (consumer, stream, stream_created_at, recorded_seq)
        SELECT $4, $5, $6, $7 FROM lease
        ON CONFLICT (consumer, stream, stream_created_at)
        DO UPDATE SET recorded_seq = greatest(s.recorded_seq, excluded.recorded_seq))
    SELECT EXISTS (SELECT FROM lease), added.message_id, added.pos
    FROM (SELECT) here LEFT JOIN added ON true";

impl Inbox {
    /// Records a group in stream order and advances the recorded sequence, if the ingest lease is
    /// still the own one. Of a message that is in the group twice, the first counts. Its return means
    /// that the commit is durable: only then may be acked.
    ///
    /// # Errors
    /// [`InboxError::Database`]: nothing was written, as far as this process can know; recording
    /// the same group again is harmless. [`InboxError::refuses_data`] tells when to split it.
    pub async fn record(&self, ingest: &Ingest, group: &[Arrival]) -> Result<Recorded, InboxError> {
        failpoint!("inbox.record.before", crate::lost("record a group"));
        let mut seen = HashSet::with_capacity(group.len());
        let group: Vec<&Arrival> = group.iter().filter(|a| seen.insert(a.message_id)).collect();
        let group = group.as_slice();
        let recorded = self
            .ask("record a group", async |connection| {
                let rows = sqlx::query(RECORD)
                    .bind(ingest.instance)
                    .bind(&self.ingest_role)
                    .bind(ingest.epoch)
                    .bind(&self.consumer)
                    .bind(&ingest.stream)
                    .bind(ingest.incarnation)
                    .bind(ingest.recorded_seq)
                    .bind(column(group, |a| a.message_id))
                    .bind(column(group, |a| a.subject.as_str()))
                    .bind(column(group, |a| a.event_type.as_deref()))
                    .bind(column(group, |a| a.event_version))
                    .bind(column(group, |a| a.aggregate_type.as_deref()))
                    .bind(column(group, |a| a.aggregate_id.as_deref()))
                    .bind(column(group, |a| a.lane))
                    .bind(column(group, |a| a.stream_seq))
                    .bind(column(group, |a| stored(&a.headers)))
                    .bind(column(group, |a| &a.body[..]))
                    .bind(column(group, |a| a.start && a.unusable.is_none()))
                    .bind(column(group, |a| a.unusable.as_ref().map(|u| u.reason)))
                    .bind(column(group, |a| a.unusable.as_ref().map(|u| u.error.as_str())))
                    .fetch_all(connection)
                    .await?;
                read_recorded(&rows)
            })
            .await?;
        failpoint!("inbox.record.after", crate::lost("record a group"));
        Ok(recorded)
    }
}

fn column<'a, T>(group: &[&'a Arrival], field: impl Fn(&'a Arrival) -> T) -> Vec<T> {
    group.iter().map(|arrival| field(arrival)).collect()
}

fn stored(headers: &Headers) -> Vec<u8> {
    serde_json::to_vec(headers).unwrap_or_else(|_| b"[]".to_vec())
}

fn read_recorded(rows: &[sqlx::postgres::PgRow]) -> Result<Recorded, sqlx::Error> {
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    if !first.try_get::<bool, _>(0)? {
        return Ok(Recorded::LeaseLost);
    }
    let mut new = Vec::with_capacity(rows.len());
    for row in rows {
        let (id, pos): (Option<Uuid>, Option<i64>) = (row.try_get(1)?, row.try_get(2)?);
        new.extend(id.zip(pos).map(|(message_id, pos)| RecordedRow { message_id, pos }));
    }
    Ok(Recorded::New(new))
}
