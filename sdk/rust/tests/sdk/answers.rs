//! What the worker is told, for everything that can come of an attempt.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use sea_mq_sdk::{Answer, Call, Handlers};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::context::Context;

/// Status and seconds to wait.
fn told(answer: &Answer) -> (u16, Option<u64>) {
    (answer.status, answer.retry_after.map(|wait| wait.as_secs()))
}

fn then(then: &Value) -> Value {
    json!({"note": "secret", "then": then})
}

fn raising(state: &str) -> Value {
    then(&json!({"sql": format!("DO $$ BEGIN RAISE EXCEPTION 'secret' USING ERRCODE = '{state}'; END $$")}))
}

#[tokio::test]
async fn an_event_is_processed_once() {
    let context = Context::new().await;
    let call = context.call("coin", json!({"note": "one"})).await;
    assert_eq!(told(&context.handlers.answer(call.clone()).await), (200, None));
    assert_eq!(context.effects(&call).await, (1, "processed".to_owned()));
    assert_eq!(told(&context.handlers.answer(call.clone()).await), (409, None));
    assert_eq!(context.gate.ran.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_a_handler_says_is_told_and_takes_no_effect() {
    let context = Context::new().await;
    let cases = [
        (json!("poison"), (422, None), "there is no such coin"),
        (json!("retry"), (503, Some(1)), "not yet"),
        (json!({"retry_after_ms": 2_001}), (503, Some(3)), "not yet"),
        (json!("error"), (500, None), "the handler failed (sdk::handlers::Unexpected); see its log"),
        (json!("panic"), (500, None), "the handler panicked; see its log"),
    ];
    for (what, expected, why) in cases {
        let call = context.call("coin", then(&what)).await;
        let answer = context.handlers.answer(call.clone()).await;
        assert_eq!((told(&answer), answer.why.as_str()), (expected, why), "{what}");
        assert_eq!(context.effects(&call).await, (0, "running".to_owned()), "{what}");
    }
}

#[tokio::test]
async fn the_wait_doubles_with_the_attempts() {
    let context = Context::new().await;
    let call = context.call("coin", then(&json!("retry"))).await;
    for (attempt, wait) in [(2, 2), (5, 16), (30, 900)] {
        let answer = context.handlers.answer(Call { attempt, ..call.clone() }).await;
        assert_eq!(told(&answer), (503, Some(wait)));
    }
}

#[tokio::test]
async fn what_the_database_refuses_is_told_by_its_state_and_without_its_words() {
    let context = Context::new().await;
    for (states, expected) in [
        (vec!["40001", "40P01", "55P03", "57014"], (503, None)),
        (vec!["08006", "53300", "57P01"], (503, Some(1))),
        // The inbox's own words mean nothing when a handler's statement says them.
        (vec!["23505", "22012", "MQ001", "MQ101", "MQ102", "MQ103"], (500, None)),
    ] {
        for state in states {
            let answer = context.told("coin", raising(state)).await;
            assert_eq!(told(&answer), expected, "{state}: {answer:?}");
            assert!(answer.why.contains(state) && !answer.why.contains("secret"), "{answer:?}");
        }
    }
    let outbox = context.told("coin", then(&json!({"emit": "BAD"}))).await;
    assert_eq!((outbox.status, outbox.why.contains("subject is not")), (500, true), "{outbox:?}");
}

#[tokio::test]
async fn a_failure_at_the_end_of_the_transaction_takes_no_effect() {
    let context = Context::new().await;
    let twice = "INSERT INTO notes VALUES ('a'), ('a')";
    let call = context.call("coin", then(&json!({"sql": twice}))).await;
    let answer = context.handlers.answer(call.clone()).await;
    assert_eq!((answer.status, answer.why.contains("23505")), (500, true), "{answer:?}");
    assert_eq!(context.effects(&call).await, (0, "running".to_owned()));
    let silent = context.call("coin", then(&json!({"sql_in_silence": "SELECT 1 / 0"}))).await;
    assert_eq!(context.handlers.answer(silent.clone()).await.status, 500);
    assert_eq!(context.effects(&silent).await, (0, "running".to_owned()));
}

#[tokio::test]
async fn a_payload_that_does_not_validate_is_poison_and_not_repeated() {
    let context = Context::new().await;
    for (payload, why) in [
        (json!({}), "missing field `note`"),
        (json!({"note": 4711}), "note: must be a string, is integer"),
        (json!("secret"), "must be struct Coin, is string"),
    ] {
        let answer = context.told("coin", payload).await;
        assert_eq!((answer.status, answer.retry_after), (422, None));
        assert!(answer.why.ends_with(why), "{answer:?}");
    }
    assert_eq!(context.gate.ran.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_nobody_handles_comes_again_and_what_is_ignored_does_not() {
    let context = Context::new().await;
    assert_eq!(told(&context.told("unheard", json!({})).await), (404, None));
    assert_eq!(told(&context.told("dull", json!(1)).await), (200, None));
    let later = Call { event_version: 2, ..context.call("coin", json!({"note": ""})).await };
    assert_eq!(told(&context.handlers.answer(later).await), (404, None));
}

#[tokio::test]
async fn an_attempt_that_is_not_the_current_one_does_not_run() {
    let context = Context::new().await;
    let call = context.call("coin", json!({"note": ""})).await;
    let unknown = Call { message_id: Uuid::new_v4(), ..call.clone() };
    assert_eq!(told(&context.handlers.answer(unknown).await), (503, None));
    let again = context.worker.attempt_again(&call).await.unwrap();
    let outdated = context.handlers.answer(call).await;
    assert_eq!((outdated.status, outdated.why.as_str()), (503, "this attempt is outdated"));
    assert_eq!(context.gate.ran.load(Ordering::SeqCst), 0);
    assert_eq!(context.handlers.answer(again).await.status, 200);
}

#[tokio::test]
async fn what_is_asked_is_handed_on_and_nothing_is_asked_in_vain() {
    let context = Context::new().await;
    let handlers = context.over(&context.pool_of(1));
    let call = context.call("asked_coin", json!({"note": "a", "then": "wait"})).await;
    let asking = handlers.answer(call.clone());
    let meanwhile = async {
        context.gate.arrival().await;
        // The only connection is free.
        let other = context.call("coin", json!({"note": "b"})).await;
        assert_eq!(handlers.answer(other).await.status, 200);
        context.gate.let_on();
    };
    assert_eq!(tokio::join!(asking, meanwhile).0.status, 200);
    assert_eq!(context.notes().await, ["asked about a", "b"]);
    assert_eq!(handlers.answer(call).await.status, 409);
    assert_eq!(context.gate.asked.load(Ordering::SeqCst), 1);
    let silent = context.told("asked_coin", then(&json!("retry"))).await;
    assert_eq!((told(&silent), silent.why.as_str()), ((503, Some(1)), "nobody answers"));
    assert_eq!(context.told("asked_coin", then(&json!("panic"))).await.status, 500);
}

#[tokio::test]
async fn a_handler_cannot_end_its_transaction_unnoticed() {
    let context = Context::new().await;
    let (ended, marked) = ("ended the transaction", "marked the event by itself");
    for (meddling, why) in
        [(json!({"sql": "COMMIT"}), ended), (json!({"sql": "ROLLBACK"}), ended), (json!("complete"), marked)]
    {
        let call = context.call("coin", then(&meddling)).await;
        let answer = context.handlers.answer(call.clone()).await;
        assert_eq!((answer.status, answer.why.contains(why)), (500, true), "{meddling}: {answer:?}");
        assert_eq!(context.effects(&call).await.1, "running", "{meddling}");
    }
    let savepoint = context.call("coin", json!({"note": "kept", "then": "savepoint"})).await;
    assert_eq!(context.handlers.answer(savepoint.clone()).await.status, 200);
    assert_eq!(context.effects(&savepoint).await, (1, "processed".to_owned()));
}

#[tokio::test]
async fn statements_are_given_up_before_the_worker_gives_up() {
    let context = Context::new().await;
    let limit = "INSERT INTO coins SELECT gen_random_uuid(), current_setting('statement_timeout')";
    assert_eq!(context.told("coin", then(&json!({"sql": limit}))).await.status, 200);
    assert_eq!(context.notes().await, ["20s", "secret"]);
    let own = "SET LOCAL statement_timeout = 1; SELECT pg_sleep(10)";
    assert_eq!(context.told("coin", then(&json!({"sql": own}))).await.status, 503);
}

#[tokio::test]
async fn handlers_are_registered_once_under_names_of_events() {
    let context = Context::new().await;
    let refused = |register: fn(Handlers) -> Handlers| {
        let handlers = Handlers::new(context.pool.clone());
        let panic = catch_unwind(AssertUnwindSafe(|| register(handlers))).unwrap_err();
        *panic.downcast::<String>().unwrap()
    };
    assert!(refused(|it| it.ignore("coin", 1).ignore("coin", 1)).contains("registered twice"));
    for wrong in [
        |it: Handlers| it.ignore("Coin", 1),
        |it: Handlers| it.ignore("coin", 0),
        |it: Handlers| it.ignore("", 1),
    ] {
        assert!(refused(wrong).contains("snake case"));
    }
    let events: Vec<_> = context.handlers.events().collect();
    assert_eq!(events, [("asked_coin", 1), ("coin", 1), ("many_coins", 1), ("shared_coin", 1)]);
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let context = Context::new().await;
    let why = |needs: &[&str]| {
        let needs: Vec<String> = needs.iter().map(|need| (*need).to_owned()).collect();
        let handlers = context.handlers.clone();
        async move { handlers.why_not_ready(&needs).await }
    };
    assert_eq!(why(&["coins", "coins.note"]).await, None);
    let missing = why(&["coins", "coins.colour", "cases"]).await.unwrap();
    assert!(missing.starts_with("there is no cases, coins.colour;"), "{missing}");
}
