use vibespro_app::{AppError, Call, RegisterUser, ScoreVibe};

use crate::memory::{calm, with_ada, with_key};

#[tokio::test]
async fn the_same_command_again_gets_the_first_result() {
    let (vibespro, memory) = with_ada().await;
    let first = vibespro.create_vibe(calm("Calm"), with_key("k")).await.unwrap();
    let again = vibespro.create_vibe(calm("Calm "), with_key("k")).await.unwrap();
    assert_eq!((again.value, first.replayed, again.replayed), (first.value.clone(), false, true));

    let score = || {
        let command = ScoreVibe { vibe_id: first.value.vibe_id.0, expected_revision: 1, score: 7 };
        vibespro.score_vibe(command, with_key("k"))
    };
    let scored = score().await.unwrap();
    // By now the vibe is further on than the command expects.
    let again = score().await.unwrap();
    assert_eq!((again.value, again.replayed), (scored.value, true));
    assert_eq!(memory.0.lock().unwrap().events.len(), 2);
}

#[tokio::test]
async fn another_command_may_not_use_the_key() {
    let (vibespro, memory) = with_ada().await;
    let vibe_id = vibespro.create_vibe(calm("Calm"), with_key("k")).await.unwrap().value.vibe_id.0;
    let refused = vibespro.create_vibe(calm("Wild"), with_key("k")).await;
    assert_eq!(refused, Err(AppError::KeyReused));
    let score = |expected_revision, score| {
        vibespro.score_vibe(ScoreVibe { vibe_id, expected_revision, score }, with_key("s"))
    };
    score(1, 7).await.unwrap();
    // Whether it would be stale or fresh.
    for other in [(1, 8), (2, 7)] {
        assert_eq!(score(other.0, other.1).await, Err(AppError::KeyReused));
    }
    assert_eq!(memory.0.lock().unwrap().events.len(), 2);
}

#[tokio::test]
async fn registering_again_does_not_undo_what_came_later() {
    let (vibespro, memory) = with_ada().await;
    let register = |name: &str, key: &str| {
        let command = RegisterUser { user_id: "ada".to_owned(), name: name.to_owned() };
        vibespro.register_user(command, with_key(key))
    };
    register("Ada L.", "1").await.unwrap();
    register("Countess", "2").await.unwrap();
    assert!(register("Ada L.", "1").await.unwrap().replayed);
    assert_eq!(register("Countess", "1").await, Err(AppError::KeyReused));
    let names: Vec<_> =
        memory.0.lock().unwrap().users.values().map(|user| user.name.as_str().to_owned()).collect();
    assert_eq!(names, ["Countess"]);
}

#[tokio::test]
async fn a_forgotten_key_is_a_new_one() {
    let (vibespro, memory) = with_ada().await;
    vibespro.create_vibe(calm("Calm"), with_key("k")).await.unwrap();
    assert_eq!(vibespro.forget_old_receipts().await.unwrap(), 1);
    assert!(!vibespro.create_vibe(calm("Calm"), with_key("k")).await.unwrap().replayed);
    assert_eq!(memory.0.lock().unwrap().events.len(), 2);
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() {
    let (vibespro, _memory) = with_ada().await;
    for key in ["", "a b", "ä"] {
        let refused = vibespro.create_vibe(calm("Calm"), with_key(key)).await;
        assert!(matches!(refused, Err(AppError::Invalid(_))), "{refused:?}");
    }
    assert!(!vibespro.create_vibe(calm("Calm"), Call::default()).await.unwrap().replayed);
}
