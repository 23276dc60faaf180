use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use sqlx::PgPool;
use tokio::task::JoinSet;

use crate::recording::{Action, Vibe};

/// Requests that the application serves at a time.
const REQUESTS: usize = 4;

/// Plays vibespro's application: each recorded action is one transaction that changes the vibe and
/// puts the event that tells of it into the outbox. Actions of one vibe keep their order.
pub(crate) async fn commit(app: &PgPool, actions: &[Action]) -> anyhow::Result<()> {
    let mut shares: [Vec<Action>; REQUESTS] = Default::default();
    for action in actions {
        shares[share(&action.vibe()?.vibe_id)].push(action.clone());
    }
    let mut requests = JoinSet::new();
    for share in shares {
        let app = app.clone();
        requests.spawn(async move {
            for action in &share {
                serve(&app, action).await?;
            }
            Ok(())
        });
    }
    requests.join_all().await.into_iter().collect()
}

fn share(vibe_id: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    vibe_id.hash(&mut hasher);
    usize::try_from(hasher.finish() % REQUESTS as u64).unwrap_or(0)
}

/// The state first: its row lock puts the writers of one vibe in line before they take a place in
/// the outbox.
async fn serve(app: &PgPool, action: &Action) -> anyhow::Result<()> {
    let vibe = action.vibe()?;
    let mut transaction = app.begin().await?;
    save(&mut transaction, &vibe).await?;
    sqlx::query(
        "INSERT INTO outbox_events (id, subject, payload, occurred_at, aggregate_type, aggregate_id)
         VALUES ($1, $2, $3, $4, 'vibe', $5)",
    )
    .bind(action.id)
    .bind(format!("vibespro.event.{}.v1", action.event_type))
    .bind(&action.payload)
    .bind(action.occurred_at)
    .bind(&vibe.vibe_id)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(())
}

async fn save(transaction: &mut sqlx::PgConnection, vibe: &Vibe) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO vibes AS v (vibe_id, user_id, title, revision, score)
         VALUES ($1, $2, coalesce($3, ''), $4, $5)
         ON CONFLICT (vibe_id) DO UPDATE
         SET title = coalesce($3, v.title), revision = excluded.revision, score = coalesce($5, v.score)",
    )
    .bind(&vibe.vibe_id)
    .bind(&vibe.user_id)
    .bind(&vibe.title)
    .bind(vibe.revision)
    .bind(vibe.score)
    .execute(transaction)
    .await?;
    Ok(())
}
