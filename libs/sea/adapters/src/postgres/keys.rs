//! Commands under a caller's key: the first result is kept with what it changed.

use std::time::Duration;

use sea_domain::Case;
use sea_ports::{Once, StoreError};
use sqlx::types::Json;
use sqlx::{PgConnection, Row as _};

use super::PostgresSea;
use super::fault::{store_error, unexpected};
use super::rows::CaseSnapshot;

/// How long a key is remembered. Callers give up long before.
pub const KEYS_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
const FORGOTTEN_AT_ONCE: i64 = 10_000;

/// Takes the key for this transaction. `Some`: another one has carried the command out.
///
/// Waits for another transaction that holds the key, as long as `lock_timeout` allows.
pub(super) async fn take(
    transaction: &mut PgConnection,
    once: Option<&Once>,
) -> Result<Option<Case>, StoreError> {
    let Some(once) = once else { return Ok(None) };
    let inserted = sqlx::query(
        "INSERT INTO command_keys (operation, key, digest) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    )
    .bind(once.operation)
    .bind(once.key.as_str())
    .bind(once.digest.0.as_slice())
    .execute(&mut *transaction)
    .await
    .map_err(store_error)?;
    if inserted.rows_affected() == 1 {
        return Ok(None);
    }
    match find(transaction, once).await? {
        Some(case) => Ok(Some(case)),
        // It was forgotten between the two statements.
        None => Err(StoreError::Busy),
    }
}

/// Keeps the result under the key that this transaction has taken.
pub(super) async fn keep(
    transaction: &mut PgConnection,
    once: Option<&Once>,
    case: &Case,
) -> Result<(), StoreError> {
    let Some(once) = once else { return Ok(()) };
    let kept = sqlx::query("UPDATE command_keys SET result = $3 WHERE operation = $1 AND key = $2")
        .bind(once.operation)
        .bind(once.key.as_str())
        .bind(Json(CaseSnapshot::of(case)))
        .execute(transaction)
        .await
        .map_err(store_error)?;
    if kept.rows_affected() == 1 { Ok(()) } else { Err(unexpected("the command's key is gone")) }
}

/// The result under a key that was taken before.
pub(super) async fn find(connection: &mut PgConnection, once: &Once) -> Result<Option<Case>, StoreError> {
    let row = sqlx::query("SELECT digest, result FROM command_keys WHERE operation = $1 AND key = $2")
        .bind(once.operation)
        .bind(once.key.as_str())
        .fetch_optional(connection)
        .await
        .map_err(store_error)?;
    let Some(row) = row else { return Ok(None) };
    let digest: Vec<u8> = row.try_get("digest").map_err(store_error)?;
    if digest != once.digest.0 {
        return Err(StoreError::KeyReused);
    }
    let result: Option<Json<CaseSnapshot>> = row.try_get("result").map_err(store_error)?;
    let Json(snapshot) = result.ok_or_else(|| unexpected("a key was kept without its command's result"))?;
    snapshot.into_case().map(Some)
}

impl PostgresSea {
    /// Forgets keys older than [`KEYS_KEPT`]; returns how many. Locks no writer out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_keys(&self) -> Result<u64, StoreError> {
        let mut all = 0;
        loop {
            // SKIP LOCKED: another instance may be at the same.
            let forgotten = sqlx::query(
                "DELETE FROM command_keys WHERE (operation, key) IN (
                     SELECT operation, key FROM command_keys
                     WHERE created_at < clock_timestamp() - make_interval(secs => $1)
                     ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
            )
            .bind(KEYS_KEPT.as_secs_f64())
            .bind(FORGOTTEN_AT_ONCE)
            .execute(self.pool())
            .await
            .map_err(store_error)?
            .rows_affected();
            all += forgotten;
            if forgotten < FORGOTTEN_AT_ONCE.unsigned_abs() {
                return Ok(all);
            }
        }
    }
}
