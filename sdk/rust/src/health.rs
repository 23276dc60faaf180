//! Whether events can be handled now.

use std::time::Duration;

use sqlx::PgPool;
use tokio::time::timeout;

use crate::answer::{is_unreachable, sqlstate};

const WAIT: Duration = Duration::from_secs(2);

const CALLABLE: &str = "SELECT inbox_begin(gen_random_uuid(), '', 0)";

const MISSING: &str = "
    SELECT need FROM unnest($1::text[]) AS need
    CROSS JOIN LATERAL (SELECT split_part(need, '.', 1) AS of_table, split_part(need, '.', 2) AS of_column) AS part
    WHERE to_regclass(of_table) IS NULL
       OR of_column <> '' AND NOT EXISTS (
            SELECT FROM pg_attribute
            WHERE attrelid = to_regclass(of_table) AND attname = of_column AND NOT attisdropped)
    ORDER BY need";

pub(crate) async fn why_not_ready(pool: &PgPool, needs: &[String]) -> Option<String> {
    let found = timeout(WAIT, missing(pool, needs)).await;
    match found.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
        Ok(missing) if missing.is_empty() => None,
        Ok(missing) => Some(format!("there is no {}; run the context's migrations", missing.join(", "))),
        Err(error) if is_unreachable(&error) => {
            Some("the database cannot be reached; check its URL and see the log".to_owned())
        }
        Err(error) => {
            let state = sqlstate(&error).unwrap_or_else(|| "none".to_owned());
            Some(format!("sea-mq's functions cannot be called (SQLSTATE {state}); run `sea-mq db provision`"))
        }
    }
}

async fn missing(pool: &PgPool, needs: &[String]) -> sqlx::Result<Vec<String>> {
    let mut connection = pool.acquire().await?;
    sqlx::query(CALLABLE).execute(&mut *connection).await?;
    sqlx::query_scalar(MISSING).bind(needs).fetch_all(&mut *connection).await
}
