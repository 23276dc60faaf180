use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::types::Json;
use sqlx::{Postgres, Row};
use vibespro_domain::{Change, Revision, UserId, Vibe, VibeId};
use vibespro_ports::{
    IdempotencyKey, Operation, Origin, Place, Receipt, Recorded, StoreError, Vibes, WriteError,
};

use super::event::{AGGREGATE, Payload, name, occurred_at};
use super::fault::{answered, read, unexpected};
use super::receipt::{ReceiptColumns, fingerprint};
use super::{PostgresStore, row};

/// What a write does with the row that it left in `vibe`, in the same statement: the receipt, which a
/// taken key makes fail and with it all of the statement, and the event, under the name of the
/// context whose outbox this is.
macro_rules! with_receipt_and_event {
    ($write:literal) => {
        concat!(
            "WITH vibe AS (",
            $write,
            " RETURNING *),
            receipt AS (
                INSERT INTO idempotency_keys (operation, key, request_sha256, result, created_at)
                SELECT $1, $2, $3, to_jsonb(vibe), $4 FROM vibe WHERE $2::text IS NOT NULL)
            SELECT vibe.*, outbox_emit(
                subject        => (SELECT context FROM mq_settings) || '.event.' || $5,
                payload        => $6,
                aggregate_type => $7,
                aggregate_id   => vibe.vibe_id::text,
                correlation_id => $8,
                occurred_at    => $4,
                trace_id       => $9)
            FROM vibe"
        )
    };
}

/// No row when there is no such user.
const CREATE: &str = with_receipt_and_event!(
    "INSERT INTO vibes (vibe_id, user_id, title, description, revision, created_at, updated_at)
    SELECT $10, user_id, $12, $13, $14, $4, $4 FROM users WHERE user_id = $11"
);

/// Takes the row's lock and holds it until the event is in the outbox: events of one vibe are in the
/// order of its revisions. No row when the vibe is at another revision.
const SAVE: &str = with_receipt_and_event!(
    "UPDATE vibes SET title = $11, description = $12, revision = $13, score = $14, updated_at = $4
    WHERE vibe_id = $10 AND revision = $13 - 1"
);

const FIND: &str = "SELECT * FROM vibes WHERE vibe_id = $1";

const REVISION: &str = "SELECT revision FROM vibes WHERE vibe_id = $1";

const FIRST_PAGE: &str = "
    SELECT * FROM vibes WHERE user_id = $1
    ORDER BY created_at DESC, vibe_id DESC LIMIT $2";

const NEXT_PAGE: &str = "
    SELECT * FROM vibes WHERE user_id = $1 AND (created_at, vibe_id) < ($3, $4)
    ORDER BY created_at DESC, vibe_id DESC LIMIT $2";

const IS_USER: &str = "SELECT EXISTS (SELECT FROM users WHERE user_id = $1)";

const RECALL: &str = "
    SELECT k.request_sha256, v.*
    FROM idempotency_keys k, jsonb_populate_record(NULL::vibes, k.result) AS v
    WHERE k.operation = $1 AND k.key = $2";

impl Vibes for PostgresStore {
    async fn find(&self, vibe_id: VibeId) -> Result<Option<Vibe>, StoreError> {
        let doing = "read the vibe";
        let found = read(doing, sqlx::query(FIND).bind(vibe_id.0).fetch_optional(&self.pool)).await?;
        found.map(|found| row::vibe(doing, &found)).transpose()
    }

    async fn page(
        &self,
        user_id: &UserId,
        limit: usize,
        after: Option<Place>,
    ) -> Result<Option<Vec<Vibe>>, StoreError> {
        let doing = "read the user's vibes";
        let query = sqlx::query(if after.is_some() { NEXT_PAGE } else { FIRST_PAGE });
        let mut query = query.bind(user_id.as_str()).bind(limit as i64);
        if let Some(after) = after {
            query = query.bind(after.created_at).bind(after.vibe_id.0);
        }
        let rows = read(doing, query.fetch_all(&self.pool)).await?;
        if rows.is_empty() && !self.is_user(user_id).await? {
            return Ok(None);
        }
        rows.iter().map(|found| row::vibe(doing, found)).collect::<Result<_, _>>().map(Some)
    }

    async fn create(
        &self,
        change: &Change,
        receipt: Option<&Receipt>,
        origin: &Origin,
    ) -> Result<Vibe, WriteError> {
        let doing = "create the vibe";
        let vibe = &change.vibe;
        let statement = accompanied(CREATE, change, receipt, origin)
            .bind(vibe.vibe_id.0)
            .bind(vibe.user_id.as_str())
            .bind(vibe.title.as_str())
            .bind(vibe.description.as_str())
            .bind(vibe.revision.number())
            .fetch_optional(&self.pool);
        let created = answered(doing, statement).await?.ok_or(WriteError::UnknownUser)?;
        Ok(row::vibe(doing, &created)?)
    }

    async fn save(
        &self,
        change: &Change,
        receipt: Option<&Receipt>,
        origin: &Origin,
    ) -> Result<Vibe, WriteError> {
        let doing = "store the changed vibe";
        let vibe = &change.vibe;
        let statement = accompanied(SAVE, change, receipt, origin)
            .bind(vibe.vibe_id.0)
            .bind(vibe.title.as_str())
            .bind(vibe.description.as_str())
            .bind(vibe.revision.number())
            .bind(vibe.score.map(|score| i16::from(score.number())))
            .fetch_optional(&self.pool);
        match answered(doing, statement).await? {
            Some(saved) => Ok(row::vibe(doing, &saved)?),
            None => Err(self.why_not_saved(vibe.vibe_id).await?),
        }
    }

    async fn recall(
        &self,
        operation: Operation,
        key: &IdempotencyKey,
    ) -> Result<Option<Recorded<Vibe>>, StoreError> {
        let doing = "read the first result under an idempotency key";
        let query = sqlx::query(RECALL).bind(operation.as_str()).bind(key.as_str());
        let Some(found) = read(doing, query.fetch_optional(&self.pool)).await? else { return Ok(None) };
        let request: Vec<u8> = found.try_get("request_sha256").map_err(|error| unexpected(doing, &error))?;
        let (request, result) = (fingerprint(doing, &request)?, row::vibe(doing, &found)?);
        Ok(Some(Recorded { request, result }))
    }
}

impl PostgresStore {
    async fn is_user(&self, user_id: &UserId) -> Result<bool, StoreError> {
        let query = sqlx::query_scalar(IS_USER).bind(user_id.as_str());
        read("look the user up", query.fetch_one(&self.pool)).await
    }

    async fn why_not_saved(&self, vibe_id: VibeId) -> Result<WriteError, StoreError> {
        let doing = "read the vibe's revision";
        let query = sqlx::query_scalar::<_, i64>(REVISION).bind(vibe_id.0);
        let Some(current) = read(doing, query.fetch_optional(&self.pool)).await? else {
            return Ok(WriteError::UnknownVibe);
        };
        let current = Revision::parse(current).map_err(|error| unexpected(doing, &error))?;
        Ok(WriteError::Stale { current })
    }
}

/// The statement with what [`with_receipt_and_event`] takes.
fn accompanied<'q>(
    sql: &'static str,
    change: &'q Change,
    receipt: Option<&'q Receipt>,
    origin: &'q Origin,
) -> Query<'q, Postgres, PgArguments> {
    let receipt = ReceiptColumns::from(receipt);
    sqlx::query(sql)
        .bind(receipt.operation)
        .bind(receipt.key)
        .bind(receipt.request)
        .bind(occurred_at(&change.event))
        .bind(name(&change.event))
        .bind(Json(Payload::from(&change.event)))
        .bind(AGGREGATE)
        .bind(origin.correlation_id)
        .bind(origin.traceparent.as_deref())
}
