use sqlx::Row;
use sqlx::postgres::PgRow;
use time::OffsetDateTime;
use vibespro_domain::{User, UserId, UserName, Violation};
use vibespro_ports::{
    IdempotencyKey, Operation, Receipt, Recorded, Registration, StoreError, Users, WriteError,
};

use super::PostgresStore;
use super::fault::{answered, read, unexpected};
use super::receipt::{ReceiptColumns, fingerprint};

/// `xmax` of a returned row is zero exactly when it was inserted and not updated.
const PUT_USER: &str = "
    WITH put AS (
        INSERT INTO users (user_id, name, created_at) VALUES ($1, $2, $3)
        ON CONFLICT (user_id) DO UPDATE SET name = excluded.name
        RETURNING user_id, name, xmax = 0 AS created),
    receipt AS (
        INSERT INTO idempotency_keys (operation, key, request_sha256, result, created_at)
        SELECT $4, $5, $6, to_jsonb(put), $3 FROM put WHERE $5::text IS NOT NULL)
    SELECT user_id, name, created FROM put";

const RECALL: &str = "
    SELECT k.request_sha256, r.user_id, r.name, r.created
    FROM idempotency_keys k, jsonb_to_record(k.result) AS r (user_id text, name text, created boolean)
    WHERE k.operation = $1 AND k.key = $2";

impl Users for PostgresStore {
    async fn put_user(
        &self,
        user: &User,
        receipt: Option<&Receipt>,
        now: OffsetDateTime,
    ) -> Result<Registration, WriteError> {
        let doing = "register the user";
        let receipt = ReceiptColumns::from(receipt);
        let statement = sqlx::query(PUT_USER)
            .bind(user.user_id.as_str())
            .bind(user.name.as_str())
            .bind(now)
            .bind(receipt.operation)
            .bind(receipt.key)
            .bind(receipt.request)
            .fetch_one(&self.pool);
        Ok(registration(doing, &answered(doing, statement).await?)?)
    }

    async fn recall_registration(
        &self,
        key: &IdempotencyKey,
    ) -> Result<Option<Recorded<Registration>>, StoreError> {
        let doing = "read the first result of a registration";
        let statement = sqlx::query(RECALL)
            .bind(Operation::RegisterUser.as_str())
            .bind(key.as_str())
            .fetch_optional(&self.pool);
        let Some(row) = read(doing, statement).await? else { return Ok(None) };
        let request: Vec<u8> = row.try_get("request_sha256").map_err(|error| unexpected(doing, &error))?;
        let (request, result) = (fingerprint(doing, &request)?, registration(doing, &row)?);
        Ok(Some(Recorded { request, result }))
    }
}

fn registration(doing: &'static str, row: &PgRow) -> Result<Registration, StoreError> {
    let stored = || -> Result<(String, String, bool), sqlx::Error> {
        Ok((row.try_get("user_id")?, row.try_get("name")?, row.try_get("created")?))
    };
    let (user_id, name, created) = stored().map_err(|error| unexpected(doing, &error))?;
    let user = || -> Result<User, Violation> {
        Ok(User { user_id: UserId::parse(&user_id)?, name: UserName::parse(&name)? })
    };
    Ok(Registration { user: user().map_err(|error| unexpected(doing, &error))?, created })
}
