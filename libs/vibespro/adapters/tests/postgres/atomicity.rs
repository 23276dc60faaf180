//! State, event and receipt happen together or not at all.

use sea_mq_stack::free_port;
use uuid::Uuid;
use vibespro_adapters::{Options, PostgresStore, SystemClock, TimeOrderedIds};
use vibespro_app::{AppError, Call, CreateVibe, ScoreVibe, UpdateVibe, UseCases};
use vibespro_ports::StoreError;

use crate::support::{Context, calm, execute, with_key};

/// Makes the outbox refuse everything.
const REFUSE: &str = "
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'the outbox refuses'; END $$;
    GRANT EXECUTE ON FUNCTION refuse() TO PUBLIC;
    CREATE TRIGGER refuse BEFORE INSERT ON outbox_events FOR EACH ROW EXECUTE FUNCTION refuse()";

#[tokio::test]
async fn without_its_event_nothing_is_stored() {
    let context = Context::new().await;
    let vibe = context.create("Calm").await;
    let before = context.counts().await;
    execute(&mut context.superuser().await, REFUSE).await;

    let created = context.vibespro.create_vibe(calm("Lost"), with_key("one")).await;
    assert!(matches!(created, Err(AppError::Store(StoreError::Unexpected { .. }))), "{created:?}");
    let score = ScoreVibe { vibe_id: vibe.vibe_id.0, expected_revision: 1, score: 1 };
    let scored = context.vibespro.score_vibe(score, with_key("two")).await;
    assert!(matches!(scored, Err(AppError::Store(StoreError::Unexpected { .. }))), "{scored:?}");

    assert_eq!(context.counts().await, before);
    assert_eq!(context.vibespro.vibe_summary(vibe.vibe_id.0).await.unwrap(), vibe);
}

#[tokio::test]
async fn no_refused_command_leaves_anything() {
    let context = Context::new().await;
    let vibe_id = context.create("Calm").await.vibe_id.0;
    let before = context.counts().await;
    let vibespro = &context.vibespro;

    let stranger = CreateVibe { user_id: "bob".to_owned(), ..calm("Calm") };
    let refused = vibespro.create_vibe(stranger, with_key("k")).await;
    assert_eq!(refused, Err(AppError::UnknownUser("bob".to_owned())));

    let refused = vibespro.create_vibe(calm(&"x".repeat(121)), with_key("k")).await;
    assert!(matches!(refused, Err(AppError::Invalid(_))), "{refused:?}");

    let nowhere = UpdateVibe {
        vibe_id: Uuid::new_v4(),
        expected_revision: 1,
        title: Some("x".to_owned()),
        description: None,
    };
    let refused = vibespro.update_vibe(nowhere, with_key("k")).await;
    assert!(matches!(refused, Err(AppError::UnknownVibe(_))), "{refused:?}");

    let stale = ScoreVibe { vibe_id, expected_revision: 2, score: 1 };
    let refused = vibespro.score_vibe(stale, with_key("k")).await;
    assert!(matches!(refused, Err(AppError::Stale { .. })), "{refused:?}");

    let empty = UpdateVibe { vibe_id, expected_revision: 1, title: None, description: None };
    let refused = vibespro.update_vibe(empty, Call::default()).await;
    assert!(matches!(refused, Err(AppError::Invalid(_))), "{refused:?}");

    assert_eq!(context.counts().await, before);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let port = free_port().unwrap();
    let url = format!("postgres://vibespro_app:secret@127.0.0.1:{port}/vibespro_db");
    let options = Options { acquire_timeout: std::time::Duration::from_millis(300), ..Options::default() };
    let store = PostgresStore::connect(&url, &options).unwrap();
    let vibespro = UseCases::new(store, SystemClock, TimeOrderedIds);
    let refused = vibespro.create_vibe(calm("Calm"), Call::default()).await;
    assert!(matches!(refused, Err(AppError::Store(StoreError::Unavailable { .. }))), "{refused:?}");
    assert!(matches!(vibespro.ready().await, Err(AppError::Store(StoreError::Unavailable { .. }))));
}
