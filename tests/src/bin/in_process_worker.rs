//! A worker with handlers of its own, which keep an effect of each event and fail as the payload says.

use std::process::ExitCode;

use sea_mq_sdk::{Event, Failure, Handle, HandleMany, Handlers, ManyTx, Transactions, Tx};
use sea_mq_worker_lib::{HandlersError, InProcess, worker_with};
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::postgres::PgPoolOptions;

struct Keep(Transactions);

impl Handle for Keep {
    type Payload = Value;

    async fn handle(&self, tx: &mut Tx<'_>, event: &Event<Value>) -> Result<(), Failure> {
        keep(tx.connection(), event).await?;
        as_told(event).await
    }

    fn transactions(&self) -> Option<Transactions> {
        Some(self.0)
    }
}

struct KeepMany;

impl HandleMany for KeepMany {
    type Payload = Value;

    async fn handle_many(&self, tx: &mut ManyTx<'_>, events: &[&Event<Value>]) -> Result<(), Failure> {
        for event in events {
            keep(tx.connection(), event).await?;
            as_told(event).await?;
        }
        Ok(())
    }
}

async fn keep(connection: &mut PgConnection, event: &Event<Value>) -> Result<(), Failure> {
    sqlx::query("INSERT INTO effects (message_id, consumer, fence, payload) VALUES ($1, $2, $3, $4)")
        .bind(event.message_id)
        .bind(&event.consumer)
        .bind(event.fence)
        .bind(&event.payload)
        .execute(connection)
        .await?;
    Ok(())
}

/// After the effect: it must be rolled back.
#[allow(clippy::panic)]
async fn as_told(event: &Event<Value>) -> Result<(), Failure> {
    match (event.payload.get("do").and_then(Value::as_str), event.attempt) {
        (Some("poison"), _) => Err(Failure::poison("as it was told")),
        (Some("fail"), 1) => Err(Failure::error("as it was told")),
        (Some("panic"), 1) => panic!("as it was told"),
        (Some("hang"), 1) => std::future::pending().await,
        (Some("kill"), 1) => std::process::abort(),
        (Some(_) | None, _) => Ok(()),
    }
}

async fn handlers() -> Result<InProcess, HandlersError> {
    let pool = PgPoolOptions::new().max_connections(10).connect_lazy(&std::env::var("APP_DB_URL")?)?;
    let created = match std::env::var_os("TOGETHER") {
        Some(_) => Transactions::Together,
        None => Transactions::Each,
    };
    let handlers = Handlers::new(pool)
        .on("vibe_created", 1, Keep(created))
        .on("vibe_scored", 1, Keep(Transactions::Together))
        .on_many("vibe_updated", 1, KeepMany);
    let most = std::env::var("BATCHES").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    Ok(InProcess::new(handlers).batches(most))
}

fn main() -> ExitCode {
    worker_with(handlers)
}
