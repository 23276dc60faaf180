use sqlx::{PgConnection, PgPool};

use super::answer::Hold;
use super::call::Call;
use super::gate::Gate;

/// How the handler makes its effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EffectMode {
    /// `inbox_begin`, the effect and `inbox_complete` in one transaction.
    Joined,
    /// The effect under a unique key of message id and consumer; knows nothing of the inbox.
    KeyedById,
    /// The effect, each time it is called.
    Plain,
}

/// The tables that hold effects; made by the owner, used by the application role.
pub(crate) const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS effects (
        id         bigserial PRIMARY KEY,
        message_id uuid NOT NULL,
        consumer   text NOT NULL,
        fence      bigint NOT NULL,
        payload    jsonb NOT NULL,
        made_at    timestamptz NOT NULL DEFAULT clock_timestamp());
    CREATE INDEX IF NOT EXISTS effects_message_id ON effects (message_id);
    CREATE TABLE IF NOT EXISTS effect_keys (
        message_id uuid NOT NULL,
        consumer   text NOT NULL,
        PRIMARY KEY (message_id, consumer));
    CREATE TABLE IF NOT EXISTS aggregates (
        kind    text NOT NULL,
        id      text NOT NULL,
        version bigint NOT NULL,
        PRIMARY KEY (kind, id))";

/// Makes effects in the database of the application.
pub(crate) struct Effects {
    pub(crate) app: PgPool,
    pub(crate) mode: EffectMode,
}

impl Effects {
    /// Makes the effect of one call, and the status to answer. `hold` keeps the transaction open.
    pub(crate) async fn make(&self, call: &Call, hold: Option<(Hold, Gate)>) -> u16 {
        match self.try_make(call, hold).await {
            Ok(status) => status,
            Err(error) => refusal(&error),
        }
    }

    async fn try_make(&self, call: &Call, hold: Option<(Hold, Gate)>) -> Result<u16, sqlx::Error> {
        let mut transaction = self.app.begin().await?;
        let status = match self.mode {
            EffectMode::Joined => joined(&mut transaction, call, hold.as_ref()).await?,
            EffectMode::KeyedById => keyed(&mut transaction, call, hold.as_ref()).await?,
            EffectMode::Plain => plain(&mut transaction, call, hold.as_ref()).await?,
        };
        transaction.commit().await?;
        Ok(status)
    }
}

async fn joined(
    connection: &mut PgConnection,
    call: &Call,
    hold: Option<&(Hold, Gate)>,
) -> Result<u16, sqlx::Error> {
    let may: String = sqlx::query_scalar("SELECT inbox_begin($1, $2, $3)")
        .bind(call.message_id)
        .bind(&call.consumer)
        .bind(call.fence)
        .fetch_one(&mut *connection)
        .await?;
    match may.as_str() {
        "run" => {}
        "done" => return Ok(409),
        _outdated_or_unknown => return Ok(503),
    }
    insert(connection, call).await?;
    wait(hold, Hold::BeforeMark).await;
    sqlx::query("SELECT inbox_complete($1, $2, $3)")
        .bind(call.message_id)
        .bind(&call.consumer)
        .bind(call.fence)
        .execute(&mut *connection)
        .await?;
    wait(hold, Hold::BeforeCommit).await;
    Ok(200)
}

async fn keyed(
    connection: &mut PgConnection,
    call: &Call,
    hold: Option<&(Hold, Gate)>,
) -> Result<u16, sqlx::Error> {
    // Waits for another attempt that holds the key, and then finds it taken or free.
    let taken =
        sqlx::query("INSERT INTO effect_keys (message_id, consumer) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(call.message_id)
            .bind(&call.consumer)
            .execute(&mut *connection)
            .await?;
    if taken.rows_affected() == 0 {
        return Ok(409);
    }
    plain(connection, call, hold).await
}

async fn plain(
    connection: &mut PgConnection,
    call: &Call,
    hold: Option<&(Hold, Gate)>,
) -> Result<u16, sqlx::Error> {
    insert(connection, call).await?;
    if let Some((_, gate)) = hold {
        gate.pass().await;
    }
    Ok(200)
}

async fn insert(connection: &mut PgConnection, call: &Call) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO effects (message_id, consumer, fence, payload) VALUES ($1, $2, $3, $4)")
        .bind(call.message_id)
        .bind(&call.consumer)
        .bind(call.fence)
        .bind(&call.payload)
        .execute(connection)
        .await
        .map(drop)
}

async fn wait(hold: Option<&(Hold, Gate)>, here: Hold) {
    if let Some((_, gate)) = hold.filter(|(at, _)| *at == here) {
        gate.pass().await;
    }
}

/// 409 for "processed already", 503 for an attempt that is no longer current, else 500.
fn refusal(error: &sqlx::Error) -> u16 {
    match error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() {
        Some("MQ103") => 409,
        Some("MQ101" | "MQ102") => 503,
        Some(_) | None => 500,
    }
}
