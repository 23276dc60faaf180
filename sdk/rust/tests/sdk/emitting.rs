//! Events sent in a transaction: with it or not at all.

use sea_mq_sdk::testing::Emitted;
use sea_mq_sdk::{Call, Emit};
use serde_json::{Value, json};
use sqlx::Row;
use time::macros::datetime;
use uuid::Uuid;

use crate::context::Context;

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn emitting(name: &str) -> Value {
    json!({"note": "n", "then": {"emit": name}})
}

#[tokio::test]
async fn a_handlers_event_carries_the_story_on() {
    let context = Context::new().await;
    for (traceparent, carried) in [(Some(TRACE), Some(TRACE)), (Some("nonsense"), None), (None, None)] {
        let call = context.call("coin", emitting("coin_found.v3")).await;
        let call = Call { traceparent: traceparent.map(str::to_owned), ..call };
        assert_eq!(context.handlers.answer(call.clone()).await.status, 200);
        let emitted = context.worker.emitted(&call).await.unwrap();
        let Emitted { subject, payload, aggregate_type, aggregate_id, correlation_id, traceparent, .. } =
            &emitted[0];
        assert_eq!(
            (subject, payload),
            (&format!("{}.event.coin_found.v3", context.name), &json!({"note": "n"}))
        );
        assert_eq!((aggregate_type.as_deref(), aggregate_id.as_deref()), (Some("coin"), Some("7")));
        assert_eq!((*correlation_id, traceparent.as_deref()), (call.correlation_id, carried));
        assert_eq!(context.handlers.answer(call.clone()).await.status, 409);
        assert_eq!(context.worker.emitted(&call).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn each_of_many_causes_its_own() {
    let context = Context::new().await;
    let calls = context.calls("many_coins", &[emitting("a.v1"), emitting("b.v1")]).await;
    context.handlers.answer_batch(calls.clone()).await;
    for (call, name) in calls.iter().zip(["a", "b"]) {
        let emitted = context.worker.emitted(call).await.unwrap();
        assert_eq!(emitted.len(), 1);
        assert_eq!(emitted[0].subject, format!("{}.event.{name}.v1", context.name));
        assert_eq!(
            (emitted[0].correlation_id, &emitted[0].payload),
            (call.correlation_id, &json!("payload"))
        );
    }
}

#[tokio::test]
async fn events_are_rolled_back_with_the_effects() {
    let context = Context::new().await;
    let many = [emitting("a.v1"), json!({"note": "", "then": "poison"})];
    let calls = context.calls("many_coins", &many).await;
    context.handlers.answer_batch(calls.clone()).await;
    assert_eq!(
        context.worker.emitted(&calls[0]).await.unwrap().len(),
        1,
        "once, though it was emitted twice"
    );
    let refused = context.call("coin", emitting("BAD")).await;
    assert_eq!(context.handlers.answer(refused.clone()).await.status, 500);
    assert!(context.worker.emitted(&refused).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_producer_says_everything_itself() {
    let context = Context::new().await;
    let (id, cause, story) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
    let at = datetime!(2026-01-02 03:04:05.678 UTC);
    let later = datetime!(2099-01-01 00:00 UTC);
    let subject = format!("{}.event.coin_found.v1", context.name);
    let mut tx = context.pool.begin().await.unwrap();
    let event =
        Emit::new(&subject, &json!({"n": u64::MAX})).aggregate("coin", "c-1").id(id).correlation(story);
    let event = event.causation(cause).traceparent(TRACE).occurred_at(at).publish_after(later);
    assert_eq!(event.send(&mut tx).await.unwrap(), id);
    let plain = Emit::new(&subject, &[1, 2]).traceparent("nonsense").send(&mut tx).await.unwrap();
    tx.commit().await.unwrap();

    let sent = "SELECT payload::text, aggregate_id, correlation_id, causation_id, trace_id, occurred_at, publish_after
        FROM outbox_events WHERE id = $1";
    let row = sqlx::query(sent).bind(id).fetch_one(&context.pool).await.unwrap();
    assert_eq!(row.get::<String, _>(0), r#"{"n": 18446744073709551615}"#);
    assert_eq!(row.get::<String, _>("aggregate_id"), "c-1");
    assert_eq!((row.get::<Uuid, _>("correlation_id"), row.get::<Uuid, _>("causation_id")), (story, cause));
    assert_eq!(row.get::<String, _>("trace_id"), TRACE);
    assert_eq!(row.get::<time::OffsetDateTime, _>("occurred_at"), at);
    assert_eq!(row.get::<time::OffsetDateTime, _>("publish_after"), later);
    let row = sqlx::query(sent).bind(plain).fetch_one(&context.pool).await.unwrap();
    assert_eq!(
        (row.get::<Uuid, _>("correlation_id"), row.get::<Option<String>, _>("trace_id")),
        (plain, None)
    );
}

#[tokio::test]
async fn a_producers_event_goes_with_its_transaction_and_nonsense_is_an_error() {
    let context = Context::new().await;
    let subject = format!("{}.event.coin_found.v1", context.name);
    let mut tx = context.pool.begin().await.unwrap();
    Emit::new(&subject, "x").send(&mut tx).await.unwrap();
    tx.rollback().await.unwrap();
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM outbox_events").fetch_one(&context.pool).await.unwrap();
    assert_eq!(count, 0);
    let mut connection = context.pool.acquire().await.unwrap();
    let foreign = Emit::new("other.event.coin_found.v1", "x").send(&mut connection).await.unwrap_err();
    assert_eq!(foreign.as_database_error().unwrap().code().unwrap(), "MQ002");
    let keys = std::collections::HashMap::from([((1, 2), 3)]);
    let unwritable = Emit::new(&subject, &keys).send(&mut connection).await.unwrap_err();
    assert!(matches!(unwritable, sqlx::Error::Encode(_)), "{unwritable:?}");
}
