//! Starting an attempt: committed before the call.

use std::time::Duration;

use sea_mq_inbox::{Arrival, Processed, Retry};
use uuid::Uuid;

use crate::support::{Context, arrival, completing, lane_of, outcome, run};

fn retry(message_id: Uuid, fence: i64) -> Retry {
    Retry { message_id, fence, delay: Duration::ZERO, error: None, suspect: false, give_back: false }
}

#[tokio::test]
async fn an_attempt_carries_all_that_a_call_needs() {
    let context = Context::new().await;
    let message = arrival(Some("a"), 1);
    context.record(std::slice::from_ref(&message)).await;
    let attempts = context.inbox.start(context.instance(), &[message.message_id]).await.unwrap();
    assert_eq!(attempts.len(), 1);
    let attempt = &attempts[0];
    assert_eq!((attempt.message_id, attempt.fence, attempt.attempts), (message.message_id, 1, 1));
    assert_eq!(
        (&attempt.subject, &attempt.event_type, attempt.event_version),
        (&message.subject, &message.event_type, message.event_version)
    );
    assert_eq!(
        (&attempt.aggregate_type, &attempt.aggregate_id),
        (&message.aggregate_type, &message.aggregate_id)
    );
    assert_eq!((&attempt.headers, &attempt.body), (&message.headers, &message.body));
    assert_eq!(context.row(message.message_id).await, "running 1 1 0");
}

#[tokio::test]
async fn fence_and_attempts_rise_with_every_start() {
    let context = Context::new().await;
    let id = context.ready("a", 1).await[0];
    for fence in 1..5 {
        let started = context.inbox.start(context.instance(), &[id]).await.unwrap();
        assert_eq!((started[0].fence, i64::from(started[0].attempts)), (fence, fence));
        assert!(context.inbox.start(context.instance(), &[id]).await.unwrap().is_empty(), "it runs");
        context.inbox.settle_retry(&[retry(id, fence)]).await.unwrap();
    }
}

#[tokio::test]
async fn only_what_may_be_started_is_started() {
    let context = Context::new().await;
    let rows = context.ready("a", 6).await;
    let inbox = &context.inbox;
    inbox.put_behind(context.instance(), &rows[1..2]).await.unwrap();
    inbox.defer(context.instance(), &rows[2..3], Duration::from_secs(600)).await.unwrap();
    inbox.settle_processed(&[Processed { message_id: rows[3] }]).await.unwrap();
    let mut worker = context.worker().await;
    run(
        &mut worker,
        &format!(
            "UPDATE inbox_messages SET state = 'dying', dead_reason = 'poison' WHERE message_id = '{}'",
            rows[4]
        ),
    )
    .await;
    run(&mut worker, &format!("UPDATE inbox_messages SET state = 'dead', dead_reason = 'poison', dead_lettered_at = now(), dead_epoch = 0 WHERE message_id = '{}'", rows[5])).await;
    let mut asked = rows.clone();
    asked.extend([Uuid::new_v4(), rows[0]]);
    let mut started: Vec<Uuid> =
        inbox.start(context.instance(), &asked).await.unwrap().iter().map(|a| a.message_id).collect();
    let mut expected = rows[..3].to_vec();
    started.sort_unstable();
    expected.sort_unstable();
    assert_eq!(started, expected, "ready, behind and waiting ones");
}

#[tokio::test]
async fn what_a_handler_holds_is_skipped_and_not_waited_for() {
    let context = Context::new().await;
    let held = context.running("a").await;
    context.inbox.settle_retry(&[retry(held, 1)]).await.unwrap();
    // Its attempt was given up too early: it completes while the message waits for the next.
    let mut handler = completing(&context, held, 1).await;
    let free = Arrival { stream_seq: 2, ..arrival(Some("b"), 2) };
    context.record(std::slice::from_ref(&free)).await;
    let started = context.inbox.start(context.instance(), &[held, free.message_id]).await.unwrap();
    assert_eq!(started.iter().map(|a| a.message_id).collect::<Vec<_>>(), [free.message_id]);
    run(&mut handler, "COMMIT").await;
    assert!(context.inbox.start(context.instance(), &[held]).await.unwrap().is_empty(), "it is processed");
}

#[tokio::test]
async fn a_handler_that_rolled_back_leaves_the_message_to_be_started() {
    let context = Context::new().await;
    let id = context.running("a").await;
    context.inbox.settle_retry(&[retry(id, 1)]).await.unwrap();
    let mut handler = completing(&context, id, 1).await;
    run(&mut handler, "ROLLBACK").await;
    assert_eq!(context.inbox.start(context.instance(), &[id]).await.unwrap()[0].fence, 2);
    let late = format!("SELECT inbox_complete('{id}', '{}', 1)", context.inbox.consumer());
    assert_eq!(outcome(&mut handler, &late).await, "MQ101");
}

#[tokio::test]
async fn a_buried_instance_starts_nothing() {
    let context = Context::new().await;
    let id = context.ready("a", 1).await[0];
    context.bury().await;
    assert!(context.inbox.start(context.instance(), &[id]).await.unwrap().is_empty());
    assert_eq!(context.row(id).await, "ready 0 0 0");
}

#[tokio::test]
async fn whoever_lost_the_lane_starts_nothing_on_it_though_it_lives() {
    let context = Context::new().await;
    let (lost, kept) = (context.ready("a", 1).await[0], context.ready("b", 1).await[0]);
    let role = context.inbox.dispatch_role();
    assert_ne!(lane_of("a"), lane_of("b"));
    context.registry.release(role, &[lane_of("a")]).await.unwrap();
    let started = context.inbox.start(context.instance(), &[lost, kept]).await.unwrap();
    assert_eq!(started.iter().map(|a| a.message_id).collect::<Vec<_>>(), [kept]);
    assert_eq!(context.row(lost).await, "ready 0 0 0");
}
