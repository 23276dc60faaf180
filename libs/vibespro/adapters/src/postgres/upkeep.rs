use time::OffsetDateTime;
use vibespro_ports::{StoreError, Upkeep};

use super::PostgresStore;
use super::fault::read;
use crate::migrate::newest;

const MIGRATED: &str = "SELECT coalesce(max(version), 0) FROM vibespro_migrations WHERE success";

/// SKIP LOCKED: several processes may forget at once, and none waits for another.
const FORGET: &str = "
    WITH old AS (
        SELECT operation, key FROM idempotency_keys WHERE created_at < $1
        LIMIT $2 FOR UPDATE SKIP LOCKED)
    DELETE FROM idempotency_keys k USING old WHERE (k.operation, k.key) = (old.operation, old.key)";

impl Upkeep for PostgresStore {
    async fn ready(&self) -> Result<(), StoreError> {
        let doing = "read the version of vibespro's tables";
        let found: i64 = read(doing, sqlx::query_scalar(MIGRATED).fetch_one(&self.pool)).await?;
        if found >= newest() {
            return Ok(());
        }
        let detail = format!(
            "its tables are at version {found}, this program needs {}; run `vibespro migrate`",
            newest()
        );
        Err(StoreError::Unavailable { doing: "use the database", detail })
    }

    async fn forget_receipts(&self, before: OffsetDateTime, limit: i64) -> Result<u64, StoreError> {
        let query = sqlx::query(FORGET).bind(before).bind(limit);
        let done = read("forget old idempotency keys", query.execute(&self.pool)).await?;
        Ok(done.rows_affected())
    }
}
