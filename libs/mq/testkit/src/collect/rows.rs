use sqlx::Row;
use sqlx::postgres::PgRow;
use time::OffsetDateTime;

use super::{Committed, Effects, Inbox, Source};
use crate::TestkitError;
use crate::history::{Aggregate, CommittedEvent, Effect, InboxEntry, InboxState, OutboxState, Place};

pub(super) async fn committed(source: &Source) -> Committed {
    let rows = sqlx::query(
        "SELECT id, subject, aggregate_type, aggregate_id, seq, correlation_id, causation_id, recorded_at, state,
                stream, stream_created_at, stream_seq
         FROM outbox_events ORDER BY seq",
    )
    .fetch_all(&source.database)
    .await?;
    rows.iter().map(|row| read_committed(row, &source.context)).collect()
}

fn read_committed(row: &PgRow, context: &str) -> Result<CommittedEvent, TestkitError> {
    let (kind, id): (Option<String>, Option<String>) = (row.try_get(2)?, row.try_get(3)?);
    let state: String = row.try_get(8)?;
    let stored: (Option<String>, Option<OffsetDateTime>, Option<i64>) =
        (row.try_get(9)?, row.try_get(10)?, row.try_get(11)?);
    Ok(CommittedEvent {
        id: row.try_get(0)?,
        context: context.to_owned(),
        subject: row.try_get(1)?,
        aggregate: id.map(|id| Aggregate { kind: kind.unwrap_or_default(), id }),
        seq: row.try_get(4)?,
        correlation_id: row.try_get(5)?,
        causation_id: row.try_get(6)?,
        recorded_at: row.try_get(7)?,
        state: outbox_state(&state)?,
        stored: match stored {
            (Some(stream), Some(incarnation), Some(seq)) => Some(place(stream, incarnation, seq)?),
            (Some(_) | None, Some(_) | None, Some(_) | None) => None,
        },
    })
}

pub(super) async fn inbox(source: &Source) -> Inbox {
    let rows = sqlx::query(
        "SELECT message_id, consumer, stream, stream_created_at, stream_seq, state, attempts, fence, epoch,
                dead_reason, last_error, pos
         FROM inbox_messages ORDER BY pos",
    )
    .fetch_all(&source.database)
    .await?;
    rows.iter().map(read_entry).collect()
}

fn read_entry(row: &PgRow) -> Result<InboxEntry, TestkitError> {
    let state: String = row.try_get(5)?;
    Ok(InboxEntry {
        id: row.try_get(0)?,
        consumer: row.try_get(1)?,
        place: place(row.try_get(2)?, row.try_get(3)?, row.try_get(4)?)?,
        state: inbox_state(&state)?,
        attempts: row.try_get(6)?,
        fence: row.try_get(7)?,
        epoch: row.try_get(8)?,
        dead_reason: row.try_get(9)?,
        last_error: row.try_get(10)?,
        pos: row.try_get(11)?,
    })
}

pub(super) async fn effects(source: &Source) -> Effects {
    let rows = sqlx::query("SELECT consumer, message_id, id, fence FROM effects ORDER BY id")
        .fetch_all(&source.database)
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Effect {
                consumer: row.try_get(0)?,
                id: row.try_get(1)?,
                order: row.try_get(2)?,
                fence: row.try_get(3)?,
            })
        })
        .collect()
}

fn place(stream: String, incarnation: OffsetDateTime, seq: i64) -> Result<Place, TestkitError> {
    let seq = u64::try_from(seq)
        .map_err(|_| TestkitError::Unexpected(format!("stream {stream} has the sequence {seq}")))?;
    Ok(Place { stream, incarnation, seq })
}

fn outbox_state(name: &str) -> Result<OutboxState, TestkitError> {
    Ok(match name {
        "scheduled" => OutboxState::Scheduled,
        "ready" => OutboxState::Ready,
        "published" => OutboxState::Published,
        "parked" => OutboxState::Parked,
        "held" => OutboxState::Held,
        other => return Err(TestkitError::Unexpected(format!("outbox state `{other}` is not known"))),
    })
}

fn inbox_state(name: &str) -> Result<InboxState, TestkitError> {
    Ok(match name {
        "ready" => InboxState::Ready,
        "running" => InboxState::Running,
        "waiting" => InboxState::Waiting,
        "behind" => InboxState::Behind,
        "processed" => InboxState::Processed,
        "dying" => InboxState::Dying,
        "dead" => InboxState::Dead,
        other => return Err(TestkitError::Unexpected(format!("inbox state `{other}` is not known"))),
    })
}
