//! Several events in one call: an event fails alone.

use std::sync::atomic::Ordering;

use sea_mq_sdk::{Call, Transactions};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::context::{Context, statuses};

fn noted(note: &str) -> Value {
    json!({"note": note})
}

fn and(note: &str, then: &str) -> Value {
    json!({"note": note, "then": then})
}

/// In how many transactions the coins were written.
async fn transactions(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(DISTINCT xmin::text) FROM coins").fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn each_has_a_transaction_and_an_answer_in_the_calls_order() {
    let context = Context::new().await;
    let mut calls = context.calls("coin", &[noted("a"), and("b", "poison"), noted("c"), json!(7)]).await;
    calls.push(context.call("unheard", noted("")).await);
    calls.push(context.call("dull", noted("")).await);
    calls.push(calls[0].clone());
    let outdated = context.call("coin", noted("outdated")).await;
    context.worker.attempt_again(&outdated).await.unwrap();
    calls.push(outdated);
    calls.push(context.call("coin", and("d", "panic")).await);
    // The first and its double run at the same time or one after the other.
    let answers = context.handlers.answer_batch(calls).await;
    let mut told = statuses(&answers);
    let mut twice = [told[0], told.remove(6)];
    twice.sort_unstable();
    assert_eq!((&told[1..], twice), (&[422, 200, 422, 404, 200, 503, 500][..], [200, 409]));
    assert_eq!(context.notes().await, ["a", "c"]);
    assert_eq!(transactions(&context.pool).await, 2);
}

#[tokio::test]
async fn those_that_chose_it_share_one_transaction() {
    let context = Context::new().await;
    let notes: Vec<Value> = (0..20).map(|n| noted(&n.to_string())).collect();
    let mut calls = context.calls("shared_coin", &notes).await;
    let processed = context.call("shared_coin", noted("before")).await;
    assert_eq!(context.handlers.answer(processed.clone()).await.status, 200);
    calls.push(processed);
    let outdated = context.call("shared_coin", noted("outdated")).await;
    context.worker.attempt_again(&outdated).await.unwrap();
    calls.insert(3, outdated);
    calls.extend(context.calls("many_coins", &[noted("m1"), noted("m2")]).await);
    let told = statuses(&context.handlers.answer_batch(calls).await);
    let expected: Vec<u16> = (0..24)
        .map(|place| {
            if place == 3 {
                503
            } else if place == 21 {
                409
            } else {
                200
            }
        })
        .collect();
    assert_eq!(told, expected);
    assert_eq!(context.notes().await.len(), 23);
    assert_eq!(transactions(&context.pool).await, 2);
    assert_eq!(context.gate.many.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_fails_in_a_shared_transaction_fails_alone() {
    for failing in ["poison", "panic", "error"] {
        let context = Context::new().await;
        let payloads = [noted("a"), and("b", failing), noted("c")];
        let calls = context.calls("shared_coin", &payloads).await;
        let told = statuses(&context.handlers.answer_batch(calls.clone()).await);
        assert_eq!((told[0], told[2]), (200, 200), "{failing}");
        assert_eq!(told[1], if failing == "poison" { 422 } else { 500 }, "{failing}");
        assert_eq!(context.notes().await, ["a", "c"], "{failing}");
        assert_eq!(context.effects(&calls[1]).await, (0, "running".to_owned()), "{failing}");
    }
}

#[tokio::test]
async fn a_statement_that_fails_in_a_shared_transaction_fails_alone() {
    let context = Context::new().await;
    let wrong = json!({"note": "b", "then": {"sql": "SELECT 1 / 0"}});
    let late = json!({"note": "c", "then": {"sql": "INSERT INTO notes VALUES ('x'), ('x')"}});
    let calls = context.calls("shared_coin", &[noted("a"), wrong, late, noted("d")]).await;
    assert_eq!(statuses(&context.handlers.answer_batch(calls).await), [200, 500, 500, 200]);
    assert_eq!(context.notes().await, ["a", "d"]);
}

#[tokio::test]
async fn a_handler_for_many_is_called_once_and_one_by_one_after_a_failure() {
    let context = Context::new().await;
    let calls = context.calls("many_coins", &[noted("a"), noted("b"), noted("c")]).await;
    assert_eq!(statuses(&context.handlers.answer_batch(calls).await), [200, 200, 200]);
    assert_eq!(context.gate.many.swap(0, Ordering::SeqCst), 1);
    let calls = context.calls("many_coins", &[noted("d"), and("e", "poison"), noted("f")]).await;
    assert_eq!(statuses(&context.handlers.answer_batch(calls).await), [200, 422, 200]);
    assert_eq!(context.gate.many.swap(0, Ordering::SeqCst), 4);
    assert_eq!(context.handlers.answer(context.call("many_coins", noted("g")).await).await.status, 200);
    assert_eq!(context.notes().await, ["a", "b", "c", "d", "f", "g"]);
}

#[tokio::test]
async fn one_transaction_can_be_the_choice_of_all() {
    let context = Context::new().await;
    let handlers = context.over(&context.pool_of(4)).transactions(Transactions::Together);
    let mut calls = context.calls("coin", &[noted("a"), noted("b")]).await;
    calls.extend(context.calls("asked_coin", &[noted("c"), and("d", "retry")]).await);
    assert_eq!(statuses(&handlers.answer_batch(calls).await), [200, 200, 200, 503]);
    assert_eq!(transactions(&context.pool).await, 1);
}

#[tokio::test]
async fn two_batches_of_the_same_events_take_effect_once() {
    let context = Context::new().await;
    let payloads: Vec<Value> = (0..10).map(|n| noted(&n.to_string())).collect();
    for event_type in ["coin", "shared_coin", "many_coins"] {
        let calls = context.calls(event_type, &payloads).await;
        let backwards: Vec<Call> = calls.iter().rev().cloned().collect();
        let batches = [calls.clone(), backwards.clone(), calls.clone(), backwards];
        let batches = batches.map(|batch| context.handlers.answer_batch(batch));
        let answers = futures::future::join_all(batches).await;
        let done = answers.iter().flatten().filter(|answer| answer.status == 200).count();
        assert_eq!(done, calls.len(), "{event_type}: {answers:?}");
        assert!(
            answers.iter().flatten().all(|answer| [200, 409, 503].contains(&answer.status)),
            "{answers:?}"
        );
        for call in &calls {
            assert_eq!(context.effects(call).await, (1, "processed".to_owned()), "{event_type}");
        }
    }
}

#[tokio::test]
async fn at_most_eight_at_a_time_and_as_many_as_the_pool_has() {
    let context = Context::new().await;
    for (connections, at_once) in [(3, 3), (12, 8)] {
        let handlers = context.over(&context.pool_of(connections));
        let payloads: Vec<Value> = (0..20).map(|_| and("", "wait")).collect();
        let calls = context.calls("coin", &payloads).await;
        let release = async {
            for _ in 0..at_once {
                context.gate.arrival().await;
            }
            assert_eq!(context.gate.ran.swap(0, Ordering::SeqCst), at_once);
            context.gate.open.add_permits(20);
        };
        let (answers, ()) = tokio::join!(handlers.answer_batch(calls), release);
        assert_eq!(statuses(&answers), [200; 20]);
        context.gate.ran.store(0, Ordering::SeqCst);
        context.gate.arrived.forget_permits(20);
    }
}
