//! A worker with handlers of its own: it counts VibesPro's vibes for each user, and tells of every tenth.

use std::env;
use std::process::ExitCode;

use sea_mq_sdk::{Emit, Event, Failure, Handle, Handlers, Tx};
use sea_mq_worker_lib::{HandlersError, InProcess, worker_with};
use serde::Deserialize;
use serde_json::json;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

const COUNT: &str = "
    INSERT INTO tallies VALUES ($1, 1, $2)
    ON CONFLICT (user_id) DO UPDATE SET vibes = tallies.vibes + 1, last_counted = excluded.last_counted
    RETURNING vibes";
const LONGEST_TITLE: usize = 40;

#[derive(Deserialize)]
struct VibeCreated {
    user_id: String,
    title: String,
}

struct Count;

impl Handle for Count {
    type Payload = VibeCreated;

    async fn handle(&self, tx: &mut Tx<'_>, event: &Event<VibeCreated>) -> Result<(), Failure> {
        let VibeCreated { user_id, title } = &event.payload;
        if title.chars().count() > LONGEST_TITLE {
            return Err(Failure::poison(format!("title: more than {LONGEST_TITLE} characters")));
        }
        let counting = sqlx::query_scalar(COUNT).bind(user_id).bind(title);
        let vibes: i32 = counting.fetch_one(tx.connection()).await?;
        if vibes % 10 == 0 {
            let told = json!({"user_id": user_id, "vibes": vibes});
            tx.emit(Emit::new("tally.event.milestone_reached.v1", &told).aggregate("user", user_id)).await?;
        }
        Ok(())
    }
}

fn handlers(pool: PgPool) -> Handlers {
    Handlers::new(pool).on("vibe_created", 1, Count)
}

/// The context's database as its application role; the worker itself has a pool of its own.
fn pool() -> Result<PgPool, HandlersError> {
    let url = env::var("APP_DB_URL").map_err(|error| format!("APP_DB_URL: {error}"))?;
    Ok(PgPoolOptions::new().max_connections(16).test_before_acquire(false).connect_lazy(&url)?)
}

fn main() -> ExitCode {
    worker_with(async || Ok(InProcess::new(handlers(pool()?))))
}

#[cfg(test)]
mod tests {
    use sea_mq_sdk::testing::Worker;

    use super::{HandlersError, env, handlers, json, pool};

    const SUBJECT: &str = "vibespro.event.vibe_created.v1";

    async fn worker() -> Result<Worker, HandlersError> {
        Ok(Worker::connect(&env::var("DB_URL")?).await?)
    }

    #[tokio::test]
    async fn every_tenth_vibe_is_told_of_once() -> Result<(), HandlersError> {
        let (worker, pool) = (worker().await?, pool()?);
        let handlers = handlers(pool.clone());
        let vibe = json!({"user_id": "ada", "title": "Calm"});
        for _ in 1..10 {
            handlers.answer(worker.attempt(SUBJECT, &vibe).await?).await;
        }
        let tenth = worker.attempt(SUBJECT, &vibe).await?;
        assert_eq!(handlers.answer(tenth.clone()).await.status, 200);
        assert_eq!(handlers.answer(tenth.clone()).await.status, 409);
        let told = worker.emitted(&tenth).await?;
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].payload, json!({"user_id": "ada", "vibes": 10}));
        let vibes: i32 = sqlx::query_scalar("SELECT vibes FROM tallies").fetch_one(&pool).await?;
        assert_eq!(vibes, 10);
        Ok(())
    }

    #[tokio::test]
    async fn what_is_no_vibe_is_poison() -> Result<(), HandlersError> {
        let call = worker().await?.attempt(SUBJECT, &json!({"user_id": "ada"})).await?;
        let refused = handlers(pool()?).answer(call).await;
        assert_eq!(refused.status, 422);
        assert_eq!(refused.why, "the payload does not validate: missing field `title`");
        Ok(())
    }
}
