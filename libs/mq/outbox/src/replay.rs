//! What was published, and where it was stored: read to find out what a stream has lost, and written
//! when it was published again.

use std::ops::Range;

use sqlx::Row;
use sqlx::postgres::PgRow;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::claim::read_claimed;
use crate::{Claimed, Outbox, OutboxError, Published};

/// Which published rows are looked at, and what their place is compared with.
#[derive(Clone, Debug)]
pub struct PublishedQuery {
    /// The stream that they should be in.
    pub stream: String,
    /// When the stream that exists was created.
    pub incarnation: OffsetDateTime,
    /// Published at this time or later.
    pub since: OffsetDateTime,
    /// Published before this time.
    pub before: OffsetDateTime,
    /// A regular expression that the subject has to match; `None`: any.
    pub subject: Option<String>,
    /// Above this place in the outbox's order.
    pub above: i64,
}

/// One published row, without its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedRow {
    /// The event's id.
    pub id: Uuid,
    /// Its place in the outbox's order.
    pub seq: i64,
    /// When it was marked published.
    pub published_at: OffsetDateTime,
    /// When it could be published first: no consumer has it since before that.
    pub due_at: OffsetDateTime,
    /// Its sequence in the stream of the query; `None` when another stream, or another incarnation
    /// of this one, has stored it.
    pub stream_seq: Option<i64>,
}

impl Outbox {
    /// The context that the outbox belongs to.
    ///
    /// # Errors
    /// [`OutboxError::Database`].
    pub async fn context(&self) -> Result<String, OutboxError> {
        self.ask("tell its context", async |connection| {
            sqlx::query_scalar("SELECT context FROM mq_settings").fetch_one(connection).await
        })
        .await
    }

    /// Whether this role may write where a published event is stored.
    ///
    /// # Errors
    /// [`OutboxError::Database`].
    pub async fn may_mark(&self) -> Result<bool, OutboxError> {
        self.ask("tell what this role may do", async |connection| {
            sqlx::query_scalar("SELECT has_column_privilege('outbox_events', 'stream_seq', 'UPDATE')")
                .fetch_one(connection)
                .await
        })
        .await
    }

    /// The database's time: the one that `published_at` is taken from.
    ///
    /// # Errors
    /// [`OutboxError::Database`].
    pub async fn now(&self) -> Result<OffsetDateTime, OutboxError> {
        self.ask("tell the time", async |connection| {
            sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(connection).await
        })
        .await
    }

    /// How many pages the table has now.
    ///
    /// # Errors
    /// [`OutboxError::Database`].
    pub async fn pages(&self) -> Result<i64, OutboxError> {
        self.ask("tell its size", async |connection| {
            sqlx::query_scalar(
                "SELECT pg_relation_size('outbox_events') / current_setting('block_size')::bigint",
            )
            .fetch_one(connection)
            .await
        })
        .await
    }

    /// Reads the published rows of the query that lie in these pages of the table, in no order.
    ///
    /// Going over all pages once costs one pass over the table, whatever its indexes are: looking for
    /// what was lost needs none that publishing would have to pay for. A row that is marked while the
    /// pass is under way may be seen twice or not at all.
    ///
    /// # Errors
    /// [`OutboxError::Database`].
    pub async fn published_in(
        &self,
        pages: Range<i64>,
        query: &PublishedQuery,
    ) -> Result<Vec<PublishedRow>, OutboxError> {
        self.ask("be searched for what was published", async |connection| {
            let rows = sqlx::query(PUBLISHED)
                .bind(format!("({},0)", pages.start))
                .bind(format!("({},0)", pages.end))
                .bind(&query.stream)
                .bind(query.incarnation)
                .bind(query.since)
                .bind(query.before)
                .bind(query.above)
                .bind(&query.subject)
                .fetch_all(connection)
                .await?;
            rows.iter().map(read_published).collect()
        })
        .await
    }

    /// The events of these published rows in the outbox's order, and so many that their payloads stay
    /// within `bytes` (but one at least). Rows that are not there any more are left out.
    ///
    /// # Errors
    /// [`OutboxError::Database`].
    pub async fn published_events(&self, ids: &[Uuid], bytes: i64) -> Result<Vec<Claimed>, OutboxError> {
        self.ask("read published events", async |connection| {
            let rows = sqlx::query(EVENTS).bind(ids).bind(bytes).fetch_all(connection).await?;
            rows.iter().map(read_claimed).collect()
        })
        .await
    }

    /// Writes the new place of rows that `stream` (created at `incarnation`) has acknowledged once
    /// more. They count as published now: so they are kept for as long as the stream may hold them.
    /// Returns how many.
    ///
    /// # Errors
    /// [`OutboxError::Database`]: the rows keep their former place.
    pub async fn mark_republished(
        &self,
        stream: &str,
        incarnation: OffsetDateTime,
        rows: &[Published],
    ) -> Result<u64, OutboxError> {
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        let seqs: Vec<i64> = rows.iter().map(|row| row.stream_seq).collect();
        let attempts: Vec<i32> = rows.iter().map(|row| row.attempts).collect();
        self.ask("mark rows published again", async |connection| {
            let done = sqlx::query(REPUBLISHED)
                .bind(stream)
                .bind(incarnation)
                .bind(&ids)
                .bind(&seqs)
                .bind(&attempts)
                .execute(connection)
                .await?;
            Ok(done.rows_affected())
        })
        .await
    }
}

// `state || ''` keeps the indexes of what is not published out of it.
const PUBLISHED: &str = "
    SELECT id, seq, published_at, greatest(recorded_at, publish_after),
           CASE WHEN stream = $3 AND stream_created_at = $4 THEN stream_seq END
    FROM outbox_events
    WHERE ctid >= $1::text::tid AND ctid < $2::text::tid AND state || '' = 'published'
      AND published_at >= $5 AND published_at < $6 AND seq > $7
      AND ($8::text IS NULL OR subject ~ $8::text)";

const EVENTS: &str = "
    SELECT id, subject, event_type, event_version, aggregate_type, aggregate_id, body, occurred_at,
           correlation_id, causation_id, trace_id, since, lane, seq, false
    FROM (
        SELECT row.*, sum(octet_length(row.body)) OVER (
                   ORDER BY row.seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
        FROM (
            SELECT o.id, o.subject, o.event_type, o.event_version, o.aggregate_type, o.aggregate_id,
                   o.payload::text AS body, o.occurred_at, o.correlation_id, o.causation_id, o.trace_id,
                   o.published_at AS since, o.lane, o.seq
            FROM outbox_events o
            WHERE o.id = ANY ($1::uuid[]) AND o.state || '' = 'published'
        ) row
    ) bounded
    WHERE coalesce(bytes_before, 0) < $2
    ORDER BY seq";

const REPUBLISHED: &str = "
    UPDATE outbox_events o
    SET published_at = clock_timestamp(), publish_attempts = publish_attempts + u.attempts,
        stream = $1, stream_created_at = $2, stream_seq = u.stream_seq
    FROM (SELECT * FROM unnest($3::uuid[], $4::bigint[], $5::integer[]) LIMIT cardinality($3))
         u (id, stream_seq, attempts)
    WHERE o.id = u.id AND o.state || '' = 'published'";

fn read_published(row: &PgRow) -> Result<PublishedRow, sqlx::Error> {
    Ok(PublishedRow {
        id: row.try_get(0)?,
        seq: row.try_get(1)?,
        published_at: row.try_get(2)?,
        due_at: row.try_get(3)?,
        stream_seq: row.try_get(4)?,
    })
}
