//! What each answer leaves behind, and what it says when it comes too late or too early.

use std::time::Duration;

use sea_mq_inbox::{GivenUp, Processed, Retry, Settled};
use uuid::Uuid;

use crate::support::{CONSUMER, Context, completing, outcome, run, text};

fn retry(message_id: Uuid, fence: i64) -> Retry {
    Retry {
        message_id,
        fence,
        delay: Duration::from_secs(60),
        error: Some("503".to_owned()),
        suspect: false,
        give_back: false,
    }
}

fn given_up(message_id: Uuid, fence: i64) -> GivenUp {
    GivenUp { message_id, fence, reason: "poison", error: "422".to_owned() }
}

/// The next attempt of a message that is running with fence 1.
async fn second_attempt(context: &Context, id: Uuid) {
    let at_once = Retry { delay: Duration::ZERO, ..retry(id, 1) };
    assert_eq!(context.inbox.settle_retry(&[at_once]).await.unwrap(), [(id, Settled::Done)]);
    assert_eq!(context.inbox.start(context.instance(), &[id]).await.unwrap()[0].fence, 2);
}

async fn processed(context: &Context, id: Uuid) -> Settled {
    let settled = context.inbox.settle_processed(&[Processed { message_id: id }]).await.unwrap();
    assert_eq!(settled.len(), 1);
    settled[0].1
}

async fn retried(context: &Context, id: Uuid, fence: i64) -> Settled {
    let settled = context.inbox.settle_retry(&[retry(id, fence)]).await.unwrap();
    assert_eq!(settled.len(), 1);
    settled[0].1
}

async fn gave_up(context: &Context, id: Uuid, fence: i64) -> Settled {
    let settled = context.inbox.settle_given_up(&[given_up(id, fence)]).await.unwrap();
    assert_eq!(settled.len(), 1);
    settled[0].1
}

#[tokio::test]
async fn a_success_settles_whichever_attempt_it_answers() {
    let context = Context::new().await;
    let running = context.running("a").await;
    let waiting = context.running("b").await;
    retried(&context, waiting, 1).await;
    let dying = context.running("c").await;
    gave_up(&context, dying, 1).await;
    let dead = context.running("d").await;
    gave_up(&context, dead, 1).await;
    assert!(context.inbox.mark_dead(dead, 2, true).await.unwrap());
    for id in [running, waiting, dying, dead] {
        assert_eq!(processed(&context, id).await, Settled::Done, "{}", context.row(id).await);
        assert_eq!(processed(&context, id).await, Settled::AlreadyProcessed);
    }
    let left = "SELECT string_agg(concat_ws(' ', state, processed_at IS NOT NULL, body IS NULL, headers IS NULL, \
                next_attempt_at IS NULL, last_error IS NULL, holding), ',') FROM inbox_messages";
    let each = "processed t t t t t f";
    assert_eq!(text(&mut context.worker().await, left).await, [each; 4].join(","));
    assert_eq!(processed(&context, Uuid::new_v4()).await, Settled::Outdated, "no such message");
}

#[tokio::test]
async fn a_group_is_settled_whole_also_when_a_message_is_in_it_twice() {
    let context = Context::new().await;
    let (a, b) = (context.running("a").await, context.running("b").await);
    let group: Vec<Processed> = [a, b, a].iter().map(|id| Processed { message_id: *id }).collect();
    let mut settled = context.inbox.settle_processed(&group).await.unwrap();
    settled.sort_by_key(|(id, _)| *id);
    let mut expected = [(a, Settled::Done), (b, Settled::Done)];
    expected.sort_by_key(|(id, _)| *id);
    assert_eq!(settled, expected);
}

#[tokio::test]
async fn a_failure_lets_the_message_wait_with_its_error() {
    let context = Context::new().await;
    let id = context.running("a").await;
    let failed = Retry { suspect: true, ..retry(id, 1) };
    assert_eq!(context.inbox.settle_retry(&[failed]).await.unwrap(), [(id, Settled::Done)]);
    let left = "SELECT concat_ws(' ', state, attempts, fence, last_error, suspect, \
                next_attempt_at - clock_timestamp() BETWEEN '1 s' AND '60 s') FROM inbox_messages";
    assert_eq!(text(&mut context.worker().await, left).await, "waiting 1 1 503 t t");
    // An error that is not told keeps the last.
    context.inbox.start(context.instance(), &[id]).await.unwrap();
    let untold = Retry { error: None, ..retry(id, 2) };
    assert_eq!(context.inbox.settle_retry(&[untold]).await.unwrap(), [(id, Settled::Done)]);
    assert_eq!(text(&mut context.worker().await, left).await, "waiting 2 2 503 f t");
}

#[tokio::test]
async fn an_attempt_that_is_given_back_is_not_counted() {
    let context = Context::new().await;
    let id = context.running("a").await;
    let back = Retry { give_back: true, delay: Duration::ZERO, ..retry(id, 1) };
    assert_eq!(context.inbox.settle_retry(&[back]).await.unwrap(), [(id, Settled::Done)]);
    assert_eq!(context.row(id).await, "waiting 0 1 0", "the fence never falls");
    let next = context.inbox.start(context.instance(), &[id]).await.unwrap();
    assert_eq!((next[0].attempts, next[0].fence), (1, 2));
}

#[tokio::test]
async fn failures_count_only_for_the_current_attempt() {
    let context = Context::new().await;
    let id = context.running("a").await;
    second_attempt(&context, id).await;
    assert_eq!(retried(&context, id, 1).await, Settled::Outdated);
    assert_eq!(gave_up(&context, id, 1).await, Settled::Outdated);
    assert_eq!(retried(&context, id, 3).await, Settled::Outdated);
    assert_eq!(context.row(id).await, "running 2 2 0");
    assert_eq!(retried(&context, id, 2).await, Settled::Done);
    assert_eq!(retried(&context, id, 2).await, Settled::Outdated, "once");
    assert_eq!(gave_up(&context, id, 2).await, Settled::Outdated);
    assert_eq!(retried(&context, Uuid::new_v4(), 1).await, Settled::Outdated);
}

#[tokio::test]
async fn what_turned_out_to_be_processed_is_said_so() {
    let context = Context::new().await;
    let (a, b) = (context.running("a").await, context.running("b").await);
    for id in [a, b] {
        run(&mut completing(&context, id, 1).await, "COMMIT").await;
    }
    assert_eq!(retried(&context, a, 1).await, Settled::AlreadyProcessed);
    assert_eq!(gave_up(&context, b, 1).await, Settled::AlreadyProcessed);
    assert_eq!(processed(&context, a).await, Settled::AlreadyProcessed);
}

#[tokio::test]
async fn what_a_handler_holds_is_told_and_waited_for_by_nothing() {
    let context = Context::new().await;
    let (held, free) = (context.running("a").await, context.running("b").await);
    let mut handler = completing(&context, held, 1).await;
    assert_eq!(processed(&context, held).await, Settled::Held);
    assert_eq!(retried(&context, held, 1).await, Settled::Held);
    assert_eq!(gave_up(&context, held, 1).await, Settled::Held);
    // The rest of a group goes on.
    let mut settled = context.inbox.settle_retry(&[retry(held, 1), retry(free, 1)]).await.unwrap();
    settled.sort_by_key(|(id, _)| *id == free);
    assert_eq!(settled, [(held, Settled::Held), (free, Settled::Done)]);
    // Neither do the statements wait that look at it or would move it otherwise.
    let inbox = &context.inbox;
    inbox.defer(context.instance(), &[held], Duration::from_secs(1)).await.unwrap();
    inbox.put_behind(context.instance(), &[held]).await.unwrap();
    inbox.standing(&[held]).await.unwrap();
    assert!(inbox.no_longer_blocking(&[held]).await.unwrap().is_empty());
    inbox.recall(context.instance(), Some("case_opened"), 10).await.unwrap();
    inbox.open(&crate::support::all_lanes()).await.unwrap();
    assert!(!inbox.mark_dead(held, 1, true).await.unwrap());
    assert!(!inbox.redrive(held).await.unwrap());
    assert!(!inbox.discard(held).await.unwrap());
    run(&mut handler, "ROLLBACK").await;
    assert_eq!(gave_up(&context, held, 1).await, Settled::Done);
}

#[tokio::test]
async fn what_a_handler_holds_and_commits_is_processed() {
    let context = Context::new().await;
    let id = context.running("a").await;
    let mut handler = completing(&context, id, 1).await;
    assert_eq!(gave_up(&context, id, 1).await, Settled::Held);
    run(&mut handler, "COMMIT").await;
    assert_eq!(gave_up(&context, id, 1).await, Settled::AlreadyProcessed);
}

#[tokio::test]
async fn giving_up_shuts_out_the_attempt_that_still_runs() {
    let context = Context::new().await;
    let id = context.running("a").await;
    let mut zombie = context.app().await;
    run(&mut zombie, "BEGIN").await;
    assert_eq!(gave_up(&context, id, 1).await, Settled::Done);
    let left = "SELECT concat_ws(' ', state, attempts, fence, dead_reason, last_error) FROM inbox_messages";
    assert_eq!(text(&mut context.worker().await, left).await, "dying 1 2 poison 422");
    for fence in [1, 2] {
        let late = format!("SELECT inbox_complete('{id}', '{CONSUMER}', {fence})");
        assert_eq!(outcome(&mut zombie, &late).await, "MQ101", "fence {fence}");
        run(&mut zombie, "ROLLBACK; BEGIN").await;
    }
    assert!(context.inbox.start(context.instance(), &[id]).await.unwrap().is_empty());
}
