//! Scheduled rows join their aggregate's order when they are due.

use sea_mq_outbox::{NewEvent, emit};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::publisher::Publisher;
use crate::support::{Context, claim_all, ids, run};

const ALL: std::ops::Range<i16> = 0..32;

fn lanes() -> Vec<i16> {
    ALL.collect()
}

/// An event of `a` for in an hour.
async fn scheduled(context: &Context) -> Uuid {
    let after = OffsetDateTime::now_utc() + Duration::hours(1);
    let event = NewEvent { publish_after: Some(after), ..context.event(Some("a")) };
    emit(&mut context.app().await, &event).await.unwrap();
    event.id
}

/// Its hour has come, and went so many seconds ago.
async fn due(context: &Context, id: Uuid, seconds_ago: i32) {
    let sql = format!(
        "UPDATE outbox_events SET publish_after = clock_timestamp() - interval '{seconds_ago} s' WHERE id = '{id}'"
    );
    assert_eq!(run(&mut context.superuser().await, &sql).await, 1);
}

#[tokio::test]
async fn a_scheduled_row_holds_back_nothing_and_is_not_seen() {
    let context = Context::new().await;
    let mut publisher = Publisher::new(context.outbox().await).await;
    scheduled(&context).await;
    let now = context.emit(&mut context.app().await, Some("a")).await;
    assert_eq!(publisher.outbox.promote_due(&lanes(), 100).await.unwrap(), 0);
    assert_eq!(ids(&publisher.publish().await), [now]);
    assert!(publisher.publish().await.is_empty());
}

#[tokio::test]
async fn due_rows_join_in_the_order_of_their_schedule() {
    let context = Context::new().await;
    let mut publisher = Publisher::new(context.outbox().await).await;
    let planned = [scheduled(&context).await, scheduled(&context).await, scheduled(&context).await];
    let not_due = scheduled(&context).await;
    let before = context.emit(&mut context.app().await, Some("a")).await;
    for (id, seconds_ago) in [(planned[0], 10), (planned[1], 30), (planned[2], 20)] {
        due(&context, id, seconds_ago).await;
    }
    assert_eq!(publisher.outbox.promote_due(&lanes(), 100).await.unwrap(), 3);
    let after = context.emit(&mut context.app().await, Some("a")).await;
    let rows = publisher.publish().await;
    assert_eq!(ids(&rows), [before, planned[1], planned[2], planned[0], after]);
    assert!(rows[1].seq > rows[0].seq, "a new place in the order");
    let age = OffsetDateTime::now_utc() - rows[1].since;
    assert!(age >= Duration::seconds(30) && age < Duration::seconds(600), "it ages from its schedule: {age}");

    due(&context, not_due, 1).await;
    assert_eq!(publisher.outbox.promote_due(&lanes(), 100).await.unwrap(), 1);
    assert_eq!(ids(&publisher.publish().await), [not_due], "also when the cursor had passed its old place");
}

#[tokio::test]
async fn promotion_is_bounded_and_keeps_to_its_lanes() {
    let context = Context::new().await;
    let outbox = context.outbox().await;
    let mut planned = Vec::new();
    for n in 0..5 {
        let id = scheduled(&context).await;
        due(&context, id, 100 - n).await;
        planned.push(id);
    }
    let lane = {
        let first = context.emit(&mut context.app().await, Some("a")).await;
        let row = claim_all(&outbox).await.into_iter().find(|row| row.id == first).unwrap();
        run(&mut context.superuser().await, &format!("DELETE FROM outbox_events WHERE id = '{first}'")).await;
        row.lane
    };
    let others: Vec<i16> = ALL.filter(|other| *other != lane).collect();
    assert_eq!(outbox.promote_due(&others, 100).await.unwrap(), 0);
    assert_eq!(outbox.promote_due(&[lane], 2).await.unwrap(), 2);
    assert_eq!(ids(&claim_all(&outbox).await), planned[..2], "the longest due");
    assert_eq!(outbox.promote_due(&[lane], 100).await.unwrap(), 3);
    assert_eq!(ids(&claim_all(&outbox).await), planned);
}

#[tokio::test]
async fn a_row_that_somebody_else_promotes_is_skipped() {
    let context = Context::new().await;
    let outbox = context.outbox().await;
    let id = scheduled(&context).await;
    due(&context, id, 1).await;
    let mut other = context.worker().await;
    run(&mut other, &format!("BEGIN; SELECT FROM outbox_events WHERE id = '{id}' FOR NO KEY UPDATE")).await;
    assert_eq!(outbox.promote_due(&lanes(), 100).await.unwrap(), 0, "and not waited for");
    run(&mut other, "ROLLBACK").await;
    assert_eq!(outbox.promote_due(&lanes(), 100).await.unwrap(), 1);
}
