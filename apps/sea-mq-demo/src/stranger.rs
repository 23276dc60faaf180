//! What the use cases would never do: a careless script with the application's own password, and
//! somebody with a NATS client.

use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

/// Scores whose revision no bigint holds: the contract allows it, and SEA cannot keep it.
const POISON: usize = 3;
const BEYOND_BIGINT: u64 = 10_u64.pow(19);
/// Scores in words: against the contract.
const BREACHES: usize = 2;
/// Scores of vibes that the script did not save: SEA decides, and VibesPro knows no such vibe.
const UNSAVED: usize = 2;

/// A script that writes events by hand, in one transaction; how many.
pub(crate) async fn run_careless_script(app_url: &str) -> anyhow::Result<usize> {
    let mut connection = PgConnection::connect(app_url).await?;
    let mut transaction = connection.begin().await?;
    let revision = json!(BEYOND_BIGINT);
    let events = std::iter::repeat_n((revision, json!(70)), POISON)
        .chain(std::iter::repeat_n((json!(2), json!("high")), BREACHES))
        .chain(std::iter::repeat_n((json!(2), json!(70)), UNSAVED));
    let mut written = 0;
    for (revision, score) in events {
        emit(&mut transaction, &revision, &score).await?;
        written += 1;
    }
    transaction.commit().await?;
    connection.close().await?;
    Ok(written)
}

async fn emit(connection: &mut PgConnection, revision: &Value, score: &Value) -> anyhow::Result<()> {
    let vibe = Uuid::now_v7();
    let payload = json!({
        "vibe_id": vibe, "user_id": "script", "title": "by hand", "score": score, "revision": revision,
        "scored_at": "2026-05-04T09:00:00Z",
    });
    sqlx::query("SELECT outbox_emit('vibespro.event.vibe_scored.v1', $1, 'vibe', $2)")
        .bind(payload)
        .bind(vibe.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// A message without an id; a request, whose answer is the stream's ack.
pub(crate) async fn publish_past_the_outbox(client: &async_nats::Client) -> anyhow::Result<()> {
    client.request("vibespro.event.vibe_created.v1", "{\"vibe_id\": \"vibe-x\"}".into()).await?;
    Ok(())
}
