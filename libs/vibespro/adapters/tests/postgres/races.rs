//! Many writers at once.

use futures::future::join_all;
use sqlx::Connection;
use vibespro_app::{AppError, Call, ScoreVibe};

use crate::support::{Context, calm, execute, with_key};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_changes_of_one_revision_one_is_made() {
    let context = Context::new().await;
    let vibe_id = context.create("Calm").await.vibe_id.0;
    let score = |score| {
        context.vibespro.score_vibe(ScoreVibe { vibe_id, expected_revision: 1, score }, Call::default())
    };
    let answers = join_all((0..24).map(score)).await;
    let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(made.len(), 1);
    for refusal in refused {
        let Err(AppError::Stale { current, .. }) = refusal else { panic!("{refusal:?}") };
        assert_eq!(current.number(), 2);
    }
    // Also whoever is told that the vibe is further on emitted nothing.
    assert_eq!(context.count("outbox_events").await, 2);
    let stored = context.vibespro.vibe_summary(vibe_id).await.unwrap();
    assert_eq!(Some(&stored), made[0].as_ref().ok().map(|done| &done.value));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_calls_with_one_key_one_is_carried_out() {
    let context = Context::new().await;
    let answers =
        join_all((0..24).map(|_| context.vibespro.create_vibe(calm("Calm"), with_key("same")))).await;
    let done: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(done.iter().filter(|done| !done.replayed).count(), 1);
    assert!(done.iter().all(|other| other.value == done[0].value));
    assert_eq!(context.counts().await, [1, 1, 1]);

    let vibe_id = done[0].value.vibe_id.0;
    let score = || {
        let command = ScoreVibe { vibe_id, expected_revision: 1, score: 7 };
        context.vibespro.score_vibe(command, with_key("same"))
    };
    let done: Vec<_> = join_all((0..24).map(|_| score())).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(done.iter().filter(|done| !done.replayed).count(), 1);
    assert!(done.iter().all(|other| other.value == done[0].value));
    assert_eq!(context.counts().await, [1, 2, 2]);
}

/// Another process is in the middle of the same command: its end decides.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_in_another_open_transaction_is_waited_for() {
    let context = Context::new().await;
    let mut other = context.app().await;
    let mut transaction = other.begin().await.unwrap();
    execute(
        &mut transaction,
        "INSERT INTO idempotency_keys (operation, key, request_sha256, result, created_at)
         VALUES ('create_vibe', 'k', decode(repeat('00', 32), 'hex'), '{}', now())",
    )
    .await;
    let vibespro = context.vibespro.clone();
    let waiting = tokio::spawn(async move { vibespro.create_vibe(calm("Calm"), with_key("k")).await });
    until_somebody_waits(&context).await;
    assert!(!waiting.is_finished());
    transaction.rollback().await.unwrap();
    assert!(!waiting.await.unwrap().unwrap().replayed);
    assert_eq!(context.counts().await, [1, 1, 1]);
}

async fn until_somebody_waits(context: &Context) {
    let mut superuser = context.superuser().await;
    let waits = "SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let seen = async {
        while sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut superuser).await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), seen).await.unwrap();
}
