//! What waits is counted, and only what is published and old is deleted.

use std::time::Duration;

use sea_mq_outbox::{NewEvent, emit};
use time::OffsetDateTime;

use crate::publisher::Publisher;
use crate::support::{Context, run, text};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn the_backlog_counts_what_waits() {
    let context = Context::new().await;
    let (outbox, mut app) = (context.outbox().await, context.app().await);
    assert_eq!(outbox.backlog(100).await.unwrap(), sea_mq_outbox::Backlog::default());
    let mut rows = Vec::new();
    for _n in 0..6 {
        rows.push(context.emit(&mut app, Some("a")).await);
    }
    let later = OffsetDateTime::now_utc() + DAY;
    emit(&mut app, &NewEvent { publish_after: Some(later), ..context.event(None) }).await.unwrap();
    outbox.park(rows[0], 1, "refused").await.unwrap();
    outbox.hold(&rows[1..3]).await.unwrap();
    let old = format!(
        "UPDATE outbox_events SET recorded_at = clock_timestamp() - interval '100 s' WHERE id = '{}'",
        rows[3]
    );
    run(&mut context.superuser().await, &old).await;
    let backlog = outbox.backlog(100).await.unwrap();
    assert_eq!(
        (backlog.unpublished, backlog.parked),
        (5, 1),
        "three ready, two held; the schedule is no backlog"
    );
    assert!((100..700).contains(&backlog.oldest_age.as_secs()), "{backlog:?}");
    assert_eq!(outbox.backlog(1).await.unwrap().unpublished, 2, "one of each kind: the bound binds");
}

#[tokio::test]
async fn cleanup_deletes_only_what_is_published_and_old() {
    let context = Context::new().await;
    let outbox = context.outbox().await;
    let mut publisher = Publisher::new(outbox.clone()).await;
    let mut app = context.app().await;
    for _n in 0..4 {
        context.emit(&mut app, Some("done")).await;
    }
    publisher.publish().await;
    // Old by every clock but published lately: stays. Then the unpublished, all of them old.
    let lately =
        "UPDATE outbox_events SET published_at = clock_timestamp() - interval '99 days' WHERE seq <= 3";
    run(&mut context.superuser().await, lately).await;
    let later = OffsetDateTime::now_utc() + DAY;
    emit(&mut app, &NewEvent { publish_after: Some(later), ..context.event(None) }).await.unwrap();
    let mut stuck = Vec::new();
    for _n in 0..3 {
        stuck.push(context.emit(&mut app, Some("stuck")).await);
    }
    outbox.park(stuck[0], 1, "refused").await.unwrap();
    outbox.hold(&stuck[1..2]).await.unwrap();
    run(
        &mut context.superuser().await,
        "UPDATE outbox_events SET recorded_at = now() - interval '99 days', occurred_at = now() - interval '99 days'",
    )
    .await;

    // A row that somebody holds is left for the next time.
    let mut other = context.app().await;
    let mut holder = context.worker().await;
    run(&mut holder, "BEGIN; SELECT FROM outbox_events WHERE seq = 1 FOR UPDATE").await;
    assert_eq!(outbox.clean_up(14 * DAY, 100).await.unwrap(), 2);
    run(&mut holder, "COMMIT").await;
    assert_eq!(outbox.clean_up(14 * DAY, 100).await.unwrap(), 1);
    assert_eq!(outbox.clean_up(14 * DAY, 100).await.unwrap(), 0);
    let left = "SELECT string_agg(state, ' ' ORDER BY state) FROM outbox_events";
    assert_eq!(text(&mut other, left).await, "held parked published ready scheduled");
    let refused = outbox.clean_up(Duration::from_secs(60), 1).await.unwrap_err();
    let why = std::error::Error::source(&refused).unwrap().to_string();
    assert!(why.contains("below one day"), "{why}");
}

#[tokio::test]
async fn cleanup_takes_no_more_than_its_group() {
    let context = Context::new().await;
    let outbox = context.outbox().await;
    let mut publisher = Publisher::new(outbox.clone()).await;
    let mut app = context.app().await;
    for _n in 0..5 {
        context.emit(&mut app, None).await;
    }
    publisher.publish().await;
    run(&mut context.superuser().await, "UPDATE outbox_events SET published_at = now() - interval '20 days'")
        .await;
    assert_eq!(outbox.clean_up(14 * DAY, 3).await.unwrap(), 3);
    assert_eq!(outbox.clean_up(14 * DAY, 3).await.unwrap(), 2);
}
