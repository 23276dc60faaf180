//! Attempts that overlap: the effects are those of one.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::Poll;

use sea_mq_sdk::{Call, Handlers};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use crate::context::{Context, statuses};

fn waiting() -> Value {
    json!({"note": "waited", "then": "wait"})
}

#[tokio::test]
async fn the_same_attempt_twice_at_once() {
    let context = Context::new().await;
    let call = context.call("coin", waiting()).await;
    let both = async {
        context.gate.arrival().await;
        context.gate.arrival().await;
        context.gate.let_on();
        context.gate.let_on();
    };
    let (one, other, ()) =
        tokio::join!(context.handlers.answer(call.clone()), context.handlers.answer(call.clone()), both);
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!((statuses, context.gate.ran.load(Ordering::SeqCst)), ([200, 409], 2));
    assert_eq!(context.effects(&call).await, (1, "processed".to_owned()));
}

#[tokio::test]
async fn an_old_attempt_that_commits_after_its_successor() {
    let context = Context::new().await;
    let old = context.call("coin", waiting()).await;
    let successor = async {
        context.gate.arrival().await;
        let new = context.worker.attempt_again(&old).await.unwrap();
        let payload = to_raw_value(&json!({"note": "successor"})).unwrap();
        let answer = context.handlers.answer(Call { payload, ..new }).await;
        context.gate.let_on();
        answer
    };
    let (zombie, successor) = tokio::join!(context.handlers.answer(old.clone()), successor);
    assert_eq!((zombie.status, successor.status), (409, 200));
    assert_eq!(context.effects(&old).await, (1, "processed".to_owned()));
    assert_eq!(context.notes().await, ["successor"]);
}

#[tokio::test]
async fn an_old_attempt_that_commits_before_its_successor() {
    let context = Context::new().await;
    let old = context.call("coin", waiting()).await;
    let successor = async {
        context.gate.arrival().await;
        let new = context.worker.attempt_again(&old).await.unwrap();
        context.gate.let_on();
        new
    };
    let (zombie, new) = tokio::join!(context.handlers.answer(old.clone()), successor);
    assert_eq!((zombie.status, zombie.why.as_str()), (503, "this attempt is outdated"));
    assert_eq!(context.effects(&old).await, (0, "running".to_owned()));
    context.gate.let_on();
    assert_eq!(context.handlers.answer(new).await.status, 200);
    assert_eq!(context.effects(&old).await, (1, "processed".to_owned()));
}

#[tokio::test]
async fn at_every_isolation_level() {
    for level in ["repeatable read", "serializable"] {
        let context = Context::new().await;
        let set = format!("ALTER ROLE CURRENT_USER SET default_transaction_isolation = '{level}'");
        context.run(&set).await;
        let handlers = context.over(&context.pool_of(4));
        let old = context.call("coin", waiting()).await;
        let successor = async {
            context.gate.arrival().await;
            let new = context.worker.attempt_again(&old).await.unwrap();
            context.gate.let_on();
            new
        };
        let (zombie, new) = tokio::join!(handlers.answer(old.clone()), successor);
        assert_eq!(zombie.status, 503, "{level}: {zombie:?}");
        context.gate.let_on();
        assert_eq!(handlers.answer(new).await.status, 200, "{level}");
        assert_eq!(context.effects(&old).await.0, 1, "{level}");
    }
}

/// Gives the call up where its handler waits.
async fn given_up(context: &Context, handlers: &Handlers, payloads: &[Value]) {
    let calls = context.calls("coin", payloads).await;
    tokio::select! {
        answers = handlers.answer_batch(calls) => panic!("{answers:?}"),
        () = context.gate.arrival() => {}
    }
}

#[tokio::test]
async fn what_is_given_up_is_rolled_back_and_its_connection_serves_again() {
    let context = Context::new().await;
    let handlers = context.over(&context.pool_of(1));
    given_up(&context, &handlers, &[waiting()]).await;
    given_up(&context, &handlers, &[waiting(), waiting()]).await;
    let call = context.call("coin", json!({"note": "later"})).await;
    assert_eq!(handlers.answer(call).await.status, 200);
    assert_eq!(context.notes().await, ["later"]);
}

#[tokio::test]
async fn a_panic_leaves_the_connection_usable() {
    let context = Context::new().await;
    let handlers = context.over(&context.pool_of(1));
    for _ in 0..3 {
        let call = context.call("coin", json!({"note": "", "then": "panic"})).await;
        assert_eq!(handlers.answer(call).await.status, 500);
    }
    let call = context.call("coin", json!({"note": "later"})).await;
    assert_eq!(handlers.answer(call).await.status, 200);
    assert_eq!(context.notes().await, ["later"]);
}

/// What the future makes of it, unless it is dropped where it waits for the `polls`th time.
async fn up_to<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

#[tokio::test]
async fn given_up_at_any_point() {
    let context = Context::new().await;
    for event_type in ["coin", "shared_coin", "asked_coin"] {
        let pool = context.pool_of(1);
        let handlers = context.over(&pool);
        let payload = json!({"note": "n", "then": {"emit": "coin_found.v1"}});
        // How often it waits before it is done depends on who is faster: mostly about fifteen times.
        for polls in 0..20 {
            let calls = context.calls(event_type, &[payload.clone(), payload.clone()]).await;
            let answered = up_to(polls, handlers.answer_batch(calls.clone())).await;
            for call in &calls {
                let (effects, state) = context.effects_at_once(call).await;
                assert_eq!(effects == 1, state == "processed", "{event_type}, {polls}: {effects} {state}");
            }
            // No transaction was left open on the connection that this would be lost in.
            let written = sqlx::query("INSERT INTO notes VALUES ($1)").bind(format!("{event_type} {polls}"));
            written.execute(&pool).await.unwrap();
            assert_eq!(context.noted(&format!("{event_type} {polls}")).await, 1, "{event_type}, {polls}");
            assert!(
                handlers
                    .answer_batch(calls.clone())
                    .await
                    .iter()
                    .all(|answer| [200, 409].contains(&answer.status))
            );
            for call in &calls {
                assert_eq!(context.effects(call).await, (1, "processed".to_owned()), "{event_type}, {polls}");
            }
            if let Some(answers) = answered {
                assert_eq!(statuses(&answers), [200, 200], "{event_type}, {polls}: {answers:?}");
            }
        }
    }
}
