//! A database that is not there, or has no connection free.

use std::time::{Duration, Instant};

use sea_mq_sdk::Call;
use serde_json::{Value, json};
use sqlx::postgres::PgPoolOptions;

use crate::context::{Context, statuses};
use crate::handlers::{Gate, handlers};

#[tokio::test]
async fn events_come_again_with_a_growing_wait() {
    let context = Context::new().await;
    let options = PgPoolOptions::new().acquire_timeout(Duration::from_millis(100));
    let closed = sea_mq_stack::free_port().unwrap();
    let url = format!("postgres://nobody@127.0.0.1:{closed}/nothing");
    let away = handlers(options.connect_lazy(&url).unwrap(), &Gate::default(), "away");
    let call = Call { attempt: 3, ..context.call("coin", json!({"note": ""})).await };
    let answer = away.answer(call.clone()).await;
    assert_eq!((answer.status, answer.retry_after), (503, Some(Duration::from_secs(4))), "{answer:?}");
    let asked = Call { event_type: "asked_coin".to_owned(), ..call };
    assert_eq!(away.answer(asked).await.retry_after, Some(Duration::from_secs(4)));
    assert!(away.why_not_ready(&[]).await.unwrap().contains("cannot be reached"));
}

#[tokio::test]
async fn a_batch_does_not_wait_for_each_of_its_events() {
    let context = Context::new().await;
    let handlers = context.over(&context.pool_of(1));
    let holding = context.call("coin", json!({"note": "", "then": "wait"})).await;
    let others = async {
        context.gate.arrival().await;
        let started = Instant::now();
        for event_type in ["coin", "shared_coin"] {
            let payloads: Vec<Value> = (0..10).map(|_| json!({"note": ""})).collect();
            let answers = handlers.answer_batch(context.calls(event_type, &payloads).await).await;
            assert_eq!(statuses(&answers), [503; 10]);
            assert!(answers.iter().all(|answer| answer.retry_after == Some(Duration::from_secs(1))));
        }
        // 5 s, once for each of the batches.
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
        context.gate.let_on();
    };
    assert_eq!(tokio::join!(handlers.answer(holding), others).0.status, 200);
}

#[tokio::test]
async fn a_connection_that_breaks_is_replaced() {
    let context = Context::new().await;
    let broken = json!({"sql": "SELECT pg_terminate_backend(pg_backend_pid())"});
    let call = context.call("coin", json!({"note": "", "then": broken})).await;
    let answer = context.handlers.answer(call.clone()).await;
    assert_eq!((answer.status, answer.retry_after), (503, Some(Duration::from_secs(1))), "{answer:?}");
    assert_eq!(context.effects(&call).await, (0, "running".to_owned()));
    assert_eq!(context.told("coin", json!({"note": "later"})).await.status, 200);
}
