use sqlx::Row;
use sqlx::postgres::PgRow;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Inbox, InboxError};

/// What keeps order: aggregate kind and identity. An unordered or exempt message has a key of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AggregateKey {
    /// All events of one aggregate.
    Aggregate(Option<String>, String),
    /// One message by itself.
    Single(Uuid),
}

impl AggregateKey {
    /// The key of a message.
    #[must_use]
    pub fn of(kind: Option<&str>, id: Option<&str>, message_id: Uuid, exempt: bool) -> Self {
        match id {
            Some(id) if !exempt => Self::Aggregate(kind.map(str::to_owned), id.to_owned()),
            Some(_) | None => Self::Single(message_id),
        }
    }
}

/// A message that may be started when its turn comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedRow {
    /// The message.
    pub message_id: Uuid,
    /// Its lane.
    pub lane: i16,
    /// Its place in the recording order.
    pub pos: i64,
    /// What it is ordered by.
    pub key: AggregateKey,
    /// Event name; empty when unknown.
    pub event_type: String,
    /// Attempts so far.
    pub attempts: i32,
    /// To be called alone.
    pub suspect: bool,
}

/// A place in the order in which messages come up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DuePlace {
    /// When it came up.
    pub at: OffsetDateTime,
    /// Its place in the recording order.
    pub pos: i64,
}

/// A message that has waited and may be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueRow {
    /// The message.
    pub row: QueuedRow,
    /// Where the next page goes on.
    pub place: DuePlace,
}

/// How far an open message was when its lane changed hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenState {
    /// An attempt was started and never settled.
    Running,
    /// It waits for its next attempt: its aggregate waits with it.
    Waiting,
    /// Its letter is not yet known to be stored: its aggregate waits with it.
    Dying,
    /// Dead, and holding its aggregate.
    Holding,
    /// Behind one of the above.
    Behind,
}

/// Where a message stands, as far as its lane's owner has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may be started; this is its place in the recording order.
    Startable(i64),
    /// The attempt with this fence is open.
    Running(i64),
    /// It waits for its next attempt, or for its letter to be stored: its aggregate waits with it.
    Blocking,
    /// Processed.
    Processed,
    /// Dead, and its aggregate goes on.
    Dead,
    /// Dead, and its aggregate stops.
    Holding,
}

fn standing(state: &str, holding: bool, fence: i64, pos: i64) -> Standing {
    match (state, holding) {
        ("ready" | "behind", _) => Standing::Startable(pos),
        ("running", _) => Standing::Running(fence),
        ("dead", true) => Standing::Holding,
        ("dead", false) => Standing::Dead,
        ("processed", _) => Standing::Processed,
        // `waiting` and `dying`; a state of a later schema is best not touched either.
        _blocking => Standing::Blocking,
    }
}

/// An open message found on taking a lane over. Of rows that are behind, one per aggregate.
#[derive(Clone, Debug)]
pub struct OpenRow {
    /// The message and its key.
    pub row: QueuedRow,
    /// Its state.
    pub state: OpenState,
    /// Its fence.
    pub fence: i64,
}

const QUEUED: &str =
    "message_id, lane, pos, aggregate_type, aggregate_id, exempt, event_type, attempts, suspect";

impl Inbox {
    /// Ready rows above each lane's cursor, in order, at most `per_lane` each.
    ///
    /// # Errors
    /// [`InboxError::Database`].
    pub async fn ready(&self, cursors: &[(i16, i64)], per_lane: i64) -> Result<Vec<QueuedRow>, InboxError> {
        let (lanes, after): (Vec<i16>, Vec<i64>) = cursors.iter().copied().unzip();
        self.queued(
            sqlx::query(sqlx::AssertSqlSafe(format!(
                "SELECT r.* FROM unnest($2::smallint[], $3::bigint[]) c (lane, after)
                 CROSS JOIN LATERAL (
                     SELECT {QUEUED} FROM inbox_messages m
                     WHERE m.consumer = $1 AND m.state = 'ready' AND m.lane = c.lane AND m.pos > c.after
                     ORDER BY m.pos LIMIT $4) r
                 ORDER BY r.pos"
            )))
            .bind(&self.consumer)
            .bind(lanes)
            .bind(after)
            .bind(per_lane),
        )
        .await
    }

    /// Waiting rows of the given lanes that are due, longest overdue first, at most `limit`, from
    /// after the given place on.
    ///
    /// # Errors
    /// [`InboxError::Database`].
    pub async fn due(
        &self,
        lanes: &[i16],
        after: Option<DuePlace>,
        limit: i64,
    ) -> Result<Vec<DueRow>, InboxError> {
        self.ask("read due messages", async |connection| {
            let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
                "SELECT {QUEUED}, next_attempt_at FROM inbox_messages
             WHERE consumer = $1 AND state = 'waiting' AND lane = ANY ($2)
               AND next_attempt_at BETWEEN coalesce($3, '-infinity'::timestamptz) AND now()
               AND (next_attempt_at, pos) > (coalesce($3, '-infinity'::timestamptz), coalesce($4, 0))
             ORDER BY next_attempt_at, pos LIMIT $5"
            )))
            .bind(&self.consumer)
            .bind(lanes)
            .bind(after.map(|place| place.at))
            .bind(after.map(|place| place.pos))
            .bind(limit)
            .fetch_all(connection)
            .await?;
            rows.iter().map(read_due).collect()
        })
        .await
    }

    /// The next rows of one aggregate that are behind its head, in order, at most `limit`.
    ///
    /// # Errors
    /// [`InboxError::Database`].
    pub async fn behind(
        &self,
        lane: i16,
        kind: Option<&str>,
        id: &str,
        limit: i64,
    ) -> Result<Vec<QueuedRow>, InboxError> {
        self.queued(
            sqlx::query(sqlx::AssertSqlSafe(format!(
                "SELECT {QUEUED} FROM inbox_messages
                 WHERE consumer = $1 AND state = 'behind' AND lane = $2 AND aggregate_id = $3
                   AND aggregate_type IS NOT DISTINCT FROM $4
                 ORDER BY pos LIMIT $5"
            )))
            .bind(&self.consumer)
            .bind(lane)
            .bind(id.to_owned())
            .bind(kind.map(str::to_owned))
            .bind(limit),
        )
        .await
    }

    /// All that is open on lanes that were just taken, but for the ready rows.
    ///
    /// # Errors
    /// [`InboxError::Database`].
    pub async fn open(&self, lanes: &[i16]) -> Result<Vec<OpenRow>, InboxError> {
        self.ask("read open messages", async |connection| {
            let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
                "SELECT {QUEUED}, state, fence FROM inbox_messages
             WHERE consumer = $1 AND lane = ANY ($2) AND state = 'running'
             UNION ALL
             SELECT {QUEUED}, state, fence FROM inbox_messages
             WHERE consumer = $1 AND lane = ANY ($2) AND state = 'dying'
             UNION ALL
             SELECT {QUEUED}, state, fence FROM inbox_messages
             WHERE consumer = $1 AND lane = ANY ($2) AND state = 'waiting'
             UNION ALL
             SELECT {QUEUED}, 'holding', fence FROM inbox_messages
             WHERE consumer = $1 AND lane = ANY ($2) AND state = 'dead' AND holding
             UNION ALL
             SELECT * FROM (
                 SELECT DISTINCT ON (lane, aggregate_id, aggregate_type) {QUEUED}, state, fence
                 FROM inbox_messages
                 WHERE consumer = $1 AND lane = ANY ($2) AND state = 'behind'
                 ORDER BY lane, aggregate_id, aggregate_type, pos) b"
            )))
            .bind(&self.consumer)
            .bind(lanes)
            .fetch_all(connection)
            .await?;
            rows.iter().map(read_open).collect()
        })
        .await
    }

    /// Of the messages that block their aggregates, those that block no longer: processed by an
    /// attempt that was thought to have failed, or discarded.
    ///
    /// # Errors
    /// [`InboxError::Database`].
    pub async fn no_longer_blocking(&self, messages: &[Uuid]) -> Result<Vec<Uuid>, InboxError> {
        self.ask("look at blocked aggregates", async |connection| {
            sqlx::query_scalar(
                "SELECT message_id FROM inbox_messages
             WHERE consumer = $1 AND message_id = ANY ($2)
               AND (state = 'processed' OR (state = 'dead' AND NOT holding))",
            )
            .bind(&self.consumer)
            .bind(messages)
            .fetch_all(connection)
            .await
        })
        .await
    }

    /// Where messages stand; one that is not there is left out.
    ///
    /// # Errors
    /// [`InboxError::Database`].
    pub async fn standing(&self, messages: &[Uuid]) -> Result<Vec<(Uuid, Standing)>, InboxError> {
        let rows: Vec<(Uuid, String, bool, i64, i64)> = self
            .ask("look at messages", async |connection| {
                sqlx::query_as(
                    "SELECT message_id, state, holding, fence, pos FROM inbox_messages
                     WHERE consumer = $1 AND message_id = ANY ($2)",
                )
                .bind(&self.consumer)
                .bind(messages)
                .fetch_all(connection)
                .await
            })
            .await?;
        Ok(rows
            .into_iter()
            .map(|(id, state, holding, fence, pos)| (id, standing(&state, holding, fence, pos)))
            .collect())
    }

    /// The floors kept for the given lanes; 0 where none was kept.
    ///
    /// # Errors
    /// [`InboxError::Database`].
    pub async fn floors(&self, lanes: &[i16]) -> Result<Vec<(i16, i64)>, InboxError> {
        self.ask("read floors", async |connection| {
            sqlx::query_as(
                "SELECT u.lane, coalesce(p.floor, 0) FROM unnest($2::smallint[]) u (lane)
             LEFT JOIN mq_positions p ON p.role = $1 AND p.lane = u.lane",
            )
            .bind(&self.dispatch_role)
            .bind(lanes)
            .fetch_all(connection)
            .await
        })
        .await
    }

    /// Keeps floors: no row at or below is ready.
    ///
    /// # Errors
    /// [`InboxError::Database`]: the older floors stay, and are as true as before.
    pub async fn save_floors(&self, floors: &[(i16, i64)]) -> Result<(), InboxError> {
        let (lanes, values): (Vec<i16>, Vec<i64>) = floors.iter().copied().unzip();
        self.ask("keep floors", async |connection| {
            sqlx::query(
                "INSERT INTO mq_positions (role, lane, floor)
             SELECT $1, u.lane, u.floor FROM unnest($2::smallint[], $3::bigint[]) u (lane, floor)
             ON CONFLICT (role, lane) DO UPDATE SET floor = excluded.floor",
            )
            .bind(&self.dispatch_role)
            .bind(&lanes)
            .bind(&values)
            .execute(connection)
            .await
        })
        .await?;
        Ok(())
    }

    async fn queued(
        &self,
        query: sqlx::query::Query<'_, sqlx::Postgres, sqlx::postgres::PgArguments>,
    ) -> Result<Vec<QueuedRow>, InboxError> {
        self.ask("read queued messages", async |connection| {
            let rows = query.fetch_all(connection).await?;
            rows.iter().map(read_queued).collect()
        })
        .await
    }
}

fn read_queued(row: &PgRow) -> Result<QueuedRow, sqlx::Error> {
    let message_id: Uuid = row.try_get(0)?;
    let kind: Option<String> = row.try_get(3)?;
    let id: Option<String> = row.try_get(4)?;
    let event_type: Option<String> = row.try_get(6)?;
    Ok(QueuedRow {
        message_id,
        lane: row.try_get(1)?,
        pos: row.try_get(2)?,
        key: AggregateKey::of(kind.as_deref(), id.as_deref(), message_id, row.try_get(5)?),
        event_type: event_type.unwrap_or_default(),
        attempts: row.try_get(7)?,
        suspect: row.try_get(8)?,
    })
}

fn read_due(row: &PgRow) -> Result<DueRow, sqlx::Error> {
    let queued = read_queued(row)?;
    let place = DuePlace { at: row.try_get(9)?, pos: queued.pos };
    Ok(DueRow { row: queued, place })
}

fn read_open(row: &PgRow) -> Result<OpenRow, sqlx::Error> {
    let name: String = row.try_get(9)?;
    let state = match name.as_str() {
        "running" => OpenState::Running,
        "waiting" => OpenState::Waiting,
        "dying" => OpenState::Dying,
        "holding" => OpenState::Holding,
        "behind" => OpenState::Behind,
        other => return Err(sqlx::Error::Decode(format!("inbox state `{other}` is not known").into())),
    };
    Ok(OpenRow { row: read_queued(row)?, state, fence: row.try_get(10)? })
}
