use sqlx::postgres::PgRow;
use sqlx::{Connection, PgConnection, Row};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Outbox, OutboxError};

/// From where on a lane is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The lane.
    pub lane: i16,
    /// Rows above this sequence are read.
    pub after: i64,
}

/// What a look at the outbox showed.
#[derive(Clone, Debug)]
pub struct News {
    /// The snapshot of this look, for the next one.
    pub snapshot: String,
    /// The lowest ready sequence, per lane, that was not visible in the snapshot before.
    pub lanes: Vec<(i16, i64)>,
}

/// What was claimed, and what had come up, in one snapshot.
#[derive(Clone, Debug)]
pub struct Claim {
    /// From where each lane was read: its cursor, stepped back to what came up below it.
    pub from: Vec<Cursor>,
    /// The rows, in order.
    pub rows: Vec<Claimed>,
    /// What came up, on all lanes.
    pub news: News,
}

/// One row to publish.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The event's id.
    pub id: Uuid,
    /// Its subject.
    pub subject: String,
    /// Event name without version.
    pub event_type: String,
    /// Contract version.
    pub event_version: i32,
    /// Aggregate kind.
    pub aggregate_type: Option<String>,
    /// Aggregate identity; `None` is unordered.
    pub aggregate_id: Option<String>,
    /// The payload as JSON text.
    pub payload: String,
    /// When it happened.
    pub occurred_at: OffsetDateTime,
    /// The chain's start.
    pub correlation_id: Uuid,
    /// The causing event.
    pub causation_id: Option<Uuid>,
    /// W3C traceparent, or a bare trace id.
    pub trace_id: Option<String>,
    /// From when on it ages: its schedule, or its recording; of a published row, when it was
    /// published.
    pub since: OffsetDateTime,
    /// Its lane.
    pub lane: i16,
    /// Its place in the lane.
    pub seq: i64,
    /// An earlier event of its aggregate is parked: it has to be held.
    pub behind_parked: bool,
}

impl Outbox {
    /// Looks for rows that became visible since `seen`, the snapshot of an earlier look.
    ///
    /// Costs one index probe when there are none.
    ///
    /// # Errors
    /// [`OutboxError::Database`].
    pub async fn scout(&self, seen: &str) -> Result<News, OutboxError> {
        self.ask("be looked at", async |connection| scout(connection, seen).await).await
    }

    /// The snapshot of now: where a first look continues from.
    ///
    /// # Errors
    /// [`OutboxError::Database`].
    pub async fn snapshot(&self) -> Result<String, OutboxError> {
        self.ask("be looked at", async |connection| {
            sqlx::query_scalar("SELECT pg_current_snapshot()::text").fetch_one(connection).await
        })
        .await
    }

    /// Reads ready rows of the given lanes in order: at most `per_lane` each, and so many that
    /// their payloads stay within `bytes` (but one at least).
    ///
    /// # Errors
    /// [`OutboxError::Database`].
    pub async fn claim(
        &self,
        cursors: &[Cursor],
        per_lane: i64,
        bytes: i64,
    ) -> Result<Vec<Claimed>, OutboxError> {
        self.ask("be claimed from", async |connection| claim(connection, cursors, per_lane, bytes).await)
            .await
    }

    /// Looks and claims in one snapshot: what has become visible below a cursor takes it back before
    /// the lane is read. So an event is never claimed while an earlier one of its aggregate, whose
    /// writer came before, is still unseen.
    ///
    /// # Errors
    /// [`OutboxError::Database`].
    pub async fn look_and_claim(
        &self,
        seen: &str,
        cursors: &[Cursor],
        per_lane: i64,
        bytes: i64,
    ) -> Result<Claim, OutboxError> {
        self.ask("be claimed from", async |connection| {
            // Read only, so it holds no lock; ended by the server should this process freeze in it.
            let mut snapshot =
                connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
            let news = scout(&mut snapshot, seen).await?;
            let from: Vec<Cursor> = cursors.iter().map(|cursor| news.step_back(*cursor)).collect();
            let rows = claim(&mut snapshot, &from, per_lane, bytes).await?;
            snapshot.commit().await?;
            Ok(Claim { from, rows, news })
        })
        .await
    }
}

impl News {
    /// The cursor, or the place before the lowest row that came up on its lane.
    fn step_back(&self, cursor: Cursor) -> Cursor {
        let lowest = self.lanes.iter().filter(|(lane, _)| *lane == cursor.lane).map(|(_, seq)| seq - 1).min();
        Cursor { after: lowest.map_or(cursor.after, |seq| seq.min(cursor.after)), ..cursor }
    }
}

async fn scout(connection: &mut PgConnection, seen: &str) -> Result<News, sqlx::Error> {
    let rows = sqlx::query(SCOUT).bind(seen).fetch_all(connection).await?;
    read_news(&rows)
}

async fn claim(
    connection: &mut PgConnection,
    cursors: &[Cursor],
    per_lane: i64,
    bytes: i64,
) -> Result<Vec<Claimed>, sqlx::Error> {
    let lanes: Vec<i16> = cursors.iter().map(|c| c.lane).collect();
    let after: Vec<i64> = cursors.iter().map(|c| c.after).collect();
    let rows =
        sqlx::query(CLAIM).bind(&lanes).bind(&after).bind(per_lane).bind(bytes).fetch_all(connection).await?;
    rows.iter().map(read_claimed).collect()
}

// The transactions that were open in the old snapshot are looked up one by one, and only once they
// have ended: the rows of one that is still writing are not walked at every look. Two searches and
// no OR, and `lower(state)`: only the index on `tx` offers itself then, and always with a condition
// on it, so that dead entries of history are never walked, whatever the planner believes.
const SCOUT: &str = "
    SELECT pg_current_snapshot()::text, news.lane, news.seq
    FROM (SELECT) here
    LEFT JOIN (
        SELECT lane, min(seq) AS seq FROM (
            SELECT lane, seq FROM outbox_events
            WHERE lower(state) = 'ready' AND tx >= pg_snapshot_xmax($1::pg_snapshot)
            UNION ALL
            SELECT lane, seq FROM outbox_events
            WHERE lower(state) = 'ready'
              AND tx = ANY (ARRAY(SELECT x FROM pg_snapshot_xip($1::pg_snapshot) x
                                  WHERE pg_visible_in_snapshot(x, pg_current_snapshot())))) late
        GROUP BY lane
    ) news ON true";

// The byte bound cuts in sequence order over all lanes: what is cut off is the newest of each lane.
const CLAIM: &str = "
    SELECT id, subject, event_type, event_version, aggregate_type, aggregate_id, body, occurred_at,
           correlation_id, causation_id, trace_id, since, lane, seq,
           aggregate_id IS NOT NULL AND EXISTS (
               SELECT FROM outbox_events p
               WHERE p.state = 'parked' AND p.lane = bounded.lane AND p.aggregate_id = bounded.aggregate_id
                 AND p.aggregate_type IS NOT DISTINCT FROM bounded.aggregate_type)
    FROM (
        SELECT row.*, sum(octet_length(row.body)) OVER (
                   ORDER BY row.seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
        FROM unnest($1::smallint[], $2::bigint[]) c (lane, after)
        CROSS JOIN LATERAL (
            SELECT o.id, o.subject, o.event_type, o.event_version, o.aggregate_type, o.aggregate_id,
                   o.payload::text AS body, o.occurred_at, o.correlation_id, o.causation_id, o.trace_id,
                   coalesce(o.publish_after, o.recorded_at) AS since, o.lane, o.seq
            FROM outbox_events o
            WHERE o.state = 'ready' AND o.lane = c.lane AND o.seq > c.after
            ORDER BY o.seq
            LIMIT $3
        ) row
    ) bounded
    WHERE coalesce(bytes_before, 0) < $4
    ORDER BY seq";

fn read_news(rows: &[PgRow]) -> Result<News, sqlx::Error> {
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let mut lanes = Vec::with_capacity(rows.len());
    for row in rows {
        let (lane, seq): (Option<i16>, Option<i64>) = (row.try_get(1)?, row.try_get(2)?);
        lanes.extend(lane.zip(seq));
    }
    Ok(News { snapshot: first.try_get(0)?, lanes })
}

pub(crate) fn read_claimed(row: &PgRow) -> Result<Claimed, sqlx::Error> {
    Ok(Claimed {
        id: row.try_get(0)?,
        subject: row.try_get(1)?,
        event_type: row.try_get(2)?,
        event_version: row.try_get(3)?,
        aggregate_type: row.try_get(4)?,
        aggregate_id: row.try_get(5)?,
        payload: row.try_get(6)?,
        occurred_at: row.try_get(7)?,
        correlation_id: row.try_get(8)?,
        causation_id: row.try_get(9)?,
        trace_id: row.try_get(10)?,
        since: row.try_get(11)?,
        lane: row.try_get(12)?,
        seq: row.try_get(13)?,
        behind_parked: row.try_get(14)?,
    })
}
