use uuid::Uuid;
use vibespro_app::{AppError, Call, CreateVibe, PageRequest, ScoreVibe, UpdateVibe};
use vibespro_domain::VibeEvent;
use vibespro_ports::StoreError;

use crate::memory::{calm, with_ada};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test]
async fn a_command_stores_its_change_with_its_event_and_origin() {
    let (vibespro, memory) = with_ada().await;
    let correlation_id = Some(Uuid::from_u128(9));
    let call = Call { correlation_id, traceparent: Some(TRACE.to_owned()), idempotency_key: None };
    let created = vibespro.create_vibe(calm(" Calm "), call).await.unwrap().value;
    let vibe_id = created.vibe_id.0;
    let update =
        UpdateVibe { vibe_id, expected_revision: 1, title: None, description: Some("slow".to_owned()) };
    vibespro.update_vibe(update, Call::default()).await.unwrap();
    let score = ScoreVibe { vibe_id, expected_revision: 2, score: 7 };
    let scored = vibespro.score_vibe(score, Call::default()).await.unwrap().value;
    assert_eq!(vibespro.vibe_summary(vibe_id).await.unwrap(), scored);
    assert_eq!((scored.title.as_str(), scored.description.as_str()), ("Calm", "slow"));

    let state = memory.0.lock().unwrap();
    let [(first, origin), (second, _), (third, _)] = &state.events[..] else { panic!("three events") };
    assert!(matches!(first, VibeEvent::Created { .. }));
    assert!(matches!(second, VibeEvent::Updated { .. }));
    assert!(matches!(third, VibeEvent::Scored { .. }));
    assert_eq!((origin.correlation_id, origin.traceparent.as_deref()), (correlation_id, Some(TRACE)));
    // The usual way looks for no receipt.
    assert_eq!(state.recalls, 0);
}

#[tokio::test]
async fn a_refused_command_changes_nothing_and_emits_nothing() {
    let (vibespro, memory) = with_ada().await;
    let vibe = vibespro.create_vibe(calm("Calm"), Call::default()).await.unwrap().value;
    let vibe_id = vibe.vibe_id.0;
    let stranger = CreateVibe { user_id: "eve".to_owned(), ..calm("x") };
    let refused = vibespro.create_vibe(stranger, Call::default()).await;
    assert_eq!(refused, Err(AppError::UnknownUser("eve".to_owned())));
    let score = |vibe_id, expected_revision, score| {
        vibespro.score_vibe(ScoreVibe { vibe_id, expected_revision, score }, Call::default())
    };
    assert!(matches!(score(vibe_id, 2, 1).await, Err(AppError::Stale { .. })));
    assert!(matches!(score(Uuid::nil(), 1, 1).await, Err(AppError::UnknownVibe(_))));
    let Err(AppError::Invalid(violations)) = score(vibe_id, 0, 101).await else { panic!("taken") };
    let fields: Vec<_> = violations.iter().map(|violation| violation.field).collect();
    assert_eq!(fields, ["expected_revision", "score"]);
    let empty = UpdateVibe { vibe_id, expected_revision: 1, title: None, description: None };
    assert!(matches!(vibespro.update_vibe(empty, Call::default()).await, Err(AppError::Invalid(_))));
    assert_eq!(memory.0.lock().unwrap().events.len(), 1);
    assert_eq!(vibespro.vibe_summary(vibe_id).await.unwrap(), vibe);
}

#[tokio::test]
async fn a_store_that_is_down_is_said_to_be() {
    let (vibespro, memory) = with_ada().await;
    memory.0.lock().unwrap().down = true;
    let created = vibespro.create_vibe(calm("Calm"), Call::default()).await;
    assert!(matches!(created, Err(AppError::Store(StoreError::Unavailable { .. }))));
    assert!(vibespro.ready().await.is_err());
}

#[tokio::test]
async fn pages_have_bounds_and_end() {
    let (vibespro, _memory) = with_ada().await;
    for number in 0..21 {
        vibespro.create_vibe(calm(&number.to_string()), Call::default()).await.unwrap();
    }
    let page = |limit, cursor| vibespro.vibes_of_user("ada".to_owned(), PageRequest { limit, cursor });
    let first = page(None, None).await.unwrap();
    assert_eq!((first.items.len(), first.items[0].title.as_str()), (20, "20"));
    let last = page(None, first.next_cursor).await.unwrap();
    assert_eq!((last.items.len(), last.next_cursor), (1, None));
    assert_eq!(page(Some(21), None).await.unwrap().next_cursor, None);
    for (limit, cursor) in [(Some(0), None), (Some(101), None), (None, Some("x".to_owned()))] {
        assert!(matches!(page(limit, cursor).await, Err(AppError::Invalid(_))));
    }
}
