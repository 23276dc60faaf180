//! The two bounds of ingest, and cleanup.

use std::time::Duration;

use sea_mq_inbox::{GivenUp, InboxCounts, Processed, Retry, WindowCount};

use crate::support::{Context, lane_of, run, text};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn the_window_counts_up_to_its_bounds_and_from_the_floors() {
    let context = Context::new().await;
    let inbox = &context.inbox;
    assert_eq!(inbox.window(100, 100).await.unwrap(), WindowCount::default());
    let rows = context.ready("a", 10).await;
    context.ready("b", 2).await;
    inbox.put_behind(context.instance(), &rows[7..]).await.unwrap();
    inbox.defer(context.instance(), &rows[5..7], Duration::from_secs(60)).await.unwrap();
    context.running("c").await;
    assert_eq!(inbox.window(100, 100).await.unwrap(), WindowCount { ready: 7, waiting: 5 });
    assert_eq!(inbox.window(3, 1).await.unwrap(), WindowCount { ready: 3, waiting: 2 }, "one of each kind");
    assert_eq!(inbox.counts(100).await.unwrap(), InboxCounts { active: 8, waiting: 5 });

    // Below the floor nothing is looked for: the owner says that nothing is ready there.
    let first = inbox.ready(&[(lane_of("a"), 0)], 2).await.unwrap();
    inbox.start(context.instance(), &rows[..2]).await.unwrap();
    inbox.save_floors(&[(lane_of("a"), first[1].pos)]).await.unwrap();
    assert_eq!(inbox.window(100, 100).await.unwrap().ready, 5);
    inbox.save_floors(&[(lane_of("a"), i64::MAX)]).await.unwrap();
    assert_eq!(inbox.window(100, 100).await.unwrap().ready, 2);
}

#[tokio::test]
async fn cleanup_deletes_only_what_is_finished_and_old() {
    let context = Context::new().await;
    let inbox = &context.inbox;
    let rows = context.ready("a", 4).await;
    inbox.put_behind(context.instance(), &rows[1..2]).await.unwrap();
    let waiting = context.running("b").await;
    let retry =
        Retry { message_id: waiting, fence: 1, delay: DAY, error: None, suspect: false, give_back: false };
    inbox.settle_retry(&[retry]).await.unwrap();
    let [dying, dead, held] =
        [context.running("c").await, context.running("d").await, context.running("e").await];
    let gone = |message_id| GivenUp { message_id, fence: 1, reason: "poison", error: "422".to_owned() };
    inbox.settle_given_up(&[gone(dying), gone(dead), gone(held)]).await.unwrap();
    assert!(inbox.mark_dead(dead, 2, false).await.unwrap() && inbox.mark_dead(held, 2, true).await.unwrap());
    inbox
        .settle_processed(&[Processed { message_id: rows[2] }, Processed { message_id: rows[3] }])
        .await
        .unwrap();
    let age = format!(
        "UPDATE inbox_messages SET received_at = now() - interval '99 days',
            processed_at = CASE WHEN message_id = '{}' THEN now() - interval '50 days' ELSE processed_at END,
            dead_lettered_at = dead_lettered_at - interval '50 days'",
        rows[2]
    );
    run(&mut context.superuser().await, &age).await;

    assert_eq!(inbox.clean_up(45 * DAY, 1).await.unwrap(), 1);
    assert_eq!(inbox.clean_up(45 * DAY, 100).await.unwrap(), 1);
    assert_eq!(inbox.clean_up(45 * DAY, 100).await.unwrap(), 0);
    let left = "SELECT string_agg(state, ' ' ORDER BY state) FROM inbox_messages";
    assert_eq!(text(&mut context.worker().await, left).await, "behind dead dying processed ready waiting");
    assert!(inbox.clean_up(7 * DAY, 1).await.is_err(), "a replay within the horizon would run twice");
}
