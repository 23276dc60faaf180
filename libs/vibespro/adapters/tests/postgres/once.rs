//! Idempotency keys.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use vibespro_app::{AppError, Call, RegisterUser, ScoreVibe, UpdateVibe};
use vibespro_ports::Upkeep;

use crate::support::{Context, calm, execute, with_key};

#[tokio::test]
async fn a_repetition_gets_the_first_result_though_the_vibe_went_on() {
    let context = Context::new().await;
    let first = context.create_as("Calm", with_key("k")).await;
    let vibe_id = first.value.vibe_id.0;
    let score = ScoreVibe { vibe_id, expected_revision: 1, score: 80 };
    let scored = context.vibespro.score_vibe(score.clone(), with_key("k")).await.unwrap();
    let update =
        UpdateVibe { vibe_id, expected_revision: 2, title: Some("Wild".to_owned()), description: None };
    context.vibespro.update_vibe(update, Call::default()).await.unwrap();
    let before = context.counts().await;

    // What a title is trimmed to is the same request.
    let again = context.create_as(" Calm ", with_key("k")).await;
    assert_eq!((again.value, again.replayed), (first.value, true));
    let again = context.vibespro.score_vibe(score, with_key("k")).await.unwrap();
    assert_eq!((again.value, again.replayed), (scored.value, true));
    assert_eq!(context.counts().await, before);
}

#[tokio::test]
async fn a_key_belongs_to_one_request() {
    let context = Context::new().await;
    let vibe_id = context.create_as("Calm", with_key("k")).await.value.vibe_id.0;
    let before = context.counts().await;
    let other = context.vibespro.create_vibe(calm("Wild"), with_key("k")).await;
    assert_eq!(other, Err(AppError::KeyReused));
    assert_eq!(context.counts().await, before);

    let score = |vibe_id, score| {
        let command = ScoreVibe { vibe_id, expected_revision: 1, score };
        context.vibespro.score_vibe(command, with_key("s"))
    };
    score(vibe_id, 1).await.unwrap();
    let before = context.counts().await;
    assert_eq!(score(vibe_id, 2).await, Err(AppError::KeyReused));
    assert_eq!(score(Uuid::new_v4(), 1).await, Err(AppError::KeyReused));
    assert_eq!(context.counts().await, before);
}

#[tokio::test]
async fn a_repeated_registration_does_not_undo_a_later_one() {
    let context = Context::new().await;
    let register = |name: &str, key: &str| {
        let command = RegisterUser { user_id: "bob".to_owned(), name: name.to_owned() };
        context.vibespro.register_user(command, with_key(key))
    };
    assert!(register("Bob", "1").await.unwrap().value.created);
    assert!(!register("Robert", "2").await.unwrap().value.created);
    let again = register("Bob", "1").await.unwrap();
    assert!(again.replayed && again.value.created);
    assert_eq!(register("Bobby", "1").await, Err(AppError::KeyReused));
    let name: String = sqlx::query_scalar("SELECT name FROM users WHERE user_id = 'bob'")
        .fetch_one(&mut context.app().await)
        .await
        .unwrap();
    assert_eq!(name, "Robert");
}

#[tokio::test]
async fn old_keys_are_forgotten_and_young_ones_kept() {
    let context = Context::new().await;
    for key in ["a", "b", "c"] {
        context.create_as(key, with_key(key)).await;
    }
    let old = "UPDATE idempotency_keys SET created_at = now() - interval '8 days' WHERE key <> 'c'";
    execute(&mut context.app().await, old).await;
    // The step is bounded.
    let now = OffsetDateTime::now_utc();
    assert_eq!(context.store().forget_receipts(now - Duration::days(7), 1).await.unwrap(), 1);
    assert_eq!(context.vibespro.forget_old_receipts().await.unwrap(), 1);
    assert_eq!(context.counts().await, [3, 3, 1]);
}
