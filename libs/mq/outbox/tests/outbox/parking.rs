//! A refused row is parked, its aggregate held, and both come back by command.

use sea_mq_outbox::Outbox;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::publisher::Publisher;
use crate::support::{Context, backend, claim_all, ids, run, text, until_blocked};

/// A context whose aggregate `a` has a parked head and two later rows, still ready.
struct Stuck {
    context: Context,
    outbox: Outbox,
    app: PgConnection,
    head: Uuid,
    later: Vec<Uuid>,
}

impl Stuck {
    async fn new() -> Self {
        let context = Context::new().await;
        let (outbox, mut app) = (context.outbox().await, context.app().await);
        let head = context.emit(&mut app, Some("a")).await;
        let mut later = Vec::new();
        for _n in 0..2 {
            later.push(context.emit(&mut app, Some("a")).await);
        }
        outbox.park(head, 2, "maximum payload exceeded").await.unwrap();
        Self { context, outbox, app, head, later }
    }

    /// `state` of the aggregate's rows in order.
    async fn states(&self) -> String {
        let sql = "SELECT string_agg(state, ' ' ORDER BY seq) FROM outbox_events WHERE aggregate_id = 'a'";
        text(&mut self.context.worker().await, sql).await
    }

    fn whole_aggregate(&self) -> Vec<Uuid> {
        let mut all = vec![self.head];
        all.extend(&self.later);
        all
    }
}

#[tokio::test]
async fn a_parked_row_holds_back_its_own_aggregate_only() {
    let mut stuck = Stuck::new().await;
    let other = stuck.context.emit(&mut stuck.app, Some("b")).await;
    let claimed = claim_all(&stuck.outbox).await;
    let behind: Vec<(Uuid, bool)> = claimed.iter().map(|row| (row.id, row.behind_parked)).collect();
    assert_eq!(behind, [(stuck.later[0], true), (stuck.later[1], true), (other, false)]);

    stuck.outbox.hold(&stuck.later).await.unwrap();
    assert_eq!(stuck.states().await, "parked held held");
    assert_eq!(ids(&claim_all(&stuck.outbox).await), [other]);
    let parked = stuck.outbox.parked(10).await.unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!((parked[0].id, parked[0].error.as_str()), (stuck.head, "maximum payload exceeded"));
    assert_eq!((parked[0].aggregate.as_deref(), parked[0].holds_back), (Some("case/a"), 2));
    // Parking twice changes nothing.
    stuck.outbox.park(stuck.head, 5, "something else").await.unwrap();
    assert_eq!(stuck.outbox.parked(10).await.unwrap()[0].error, "maximum payload exceeded");
    let attempts = "SELECT publish_attempts::text FROM outbox_events WHERE state = 'parked'";
    assert_eq!(text(&mut stuck.context.worker().await, attempts).await, "2");
}

#[tokio::test]
async fn an_unordered_row_is_parked_alone() {
    let context = Context::new().await;
    let (outbox, mut app) = (context.outbox().await, context.app().await);
    let parked = context.emit(&mut app, None).await;
    let other = context.emit(&mut app, None).await;
    outbox.park(parked, 1, "refused").await.unwrap();
    outbox.hold(&[other]).await.unwrap();
    let claimed = claim_all(&outbox).await;
    assert_eq!(ids(&claimed), [other]);
    assert!(!claimed[0].behind_parked);
    assert_eq!(outbox.parked(1).await.unwrap()[0].aggregate, None);
}

#[tokio::test]
async fn retry_brings_back_the_aggregate_in_order_and_is_seen() {
    let stuck = Stuck::new().await;
    let mut publisher = Publisher::new(stuck.outbox.clone()).await;
    let rows = publisher.look().await;
    stuck.outbox.hold(&ids(&rows)).await.unwrap();
    assert!(publisher.look().await.is_empty());
    assert_eq!(stuck.outbox.retry(Uuid::new_v4()).await.unwrap(), 0);
    assert_eq!(stuck.outbox.retry(stuck.later[0]).await.unwrap(), 0, "it is held, not parked");
    assert_eq!(stuck.outbox.retry(stuck.head).await.unwrap(), 3);
    let back = publisher.publish().await;
    assert_eq!(ids(&back), stuck.whole_aggregate());
    assert!(back.iter().all(|row| !row.behind_parked));
    assert_eq!(stuck.states().await, "published published published");
}

/// Starts retry and hold so that both wait for the head's row, in the given order, then lets go.
async fn race(retry_first: bool) {
    let stuck = Stuck::new().await;
    let mut publisher = Publisher::new(stuck.outbox.clone()).await;
    assert_eq!(publisher.look().await.len(), 2, "in hand, and behind a parked one");
    let (mut gate, mut observer) = (stuck.context.worker().await, stuck.context.worker().await);
    run(&mut gate, &format!("BEGIN; SELECT FROM outbox_events WHERE id = '{}' FOR UPDATE", stuck.head)).await;

    let (retry_pool, hold_pool) = (stuck.context.pool(1, "20s").await, stuck.context.pool(1, "20s").await);
    let (retry_pid, hold_pid) = (backend(&retry_pool).await, backend(&hold_pool).await);
    let (head, later) = (stuck.head, stuck.later.clone());
    let retry = async move { Outbox::new(retry_pool).retry(head).await.unwrap() };
    let hold = async move { Outbox::new(hold_pool).hold(&later).await.unwrap() };
    let (retrying, holding);
    if retry_first {
        retrying = tokio::spawn(retry);
        until_blocked(&mut observer, retry_pid).await;
        holding = tokio::spawn(hold);
        until_blocked(&mut observer, hold_pid).await;
    } else {
        holding = tokio::spawn(hold);
        until_blocked(&mut observer, hold_pid).await;
        retrying = tokio::spawn(retry);
        until_blocked(&mut observer, retry_pid).await;
    }
    run(&mut gate, "COMMIT").await;
    assert!(retrying.await.unwrap() >= 1);
    holding.await.unwrap();

    assert_eq!(stuck.states().await, "ready ready ready", "retry first: {retry_first}");
    let back = ids(&publisher.publish().await);
    assert_eq!(back, stuck.whole_aggregate(), "the rows in hand come up again, retry first: {retry_first}");
}

#[tokio::test]
async fn a_retry_before_the_hold_leaves_nothing_held() {
    race(true).await;
}

#[tokio::test]
async fn a_hold_before_the_retry_is_undone_by_it() {
    race(false).await;
}

#[tokio::test]
async fn a_retry_that_died_half_way_is_completed() {
    let stuck = Stuck::new().await;
    let mut publisher = Publisher::new(stuck.outbox.clone()).await;
    let rows = publisher.look().await;
    stuck.outbox.hold(&ids(&rows)).await.unwrap();
    assert_eq!(stuck.outbox.release_unheld().await.unwrap(), 0, "their head is parked");
    // What a retry does first; then it dies.
    let half = format!(
        "UPDATE outbox_events SET state = 'ready', publish_error = NULL, tx = pg_current_xact_id() WHERE id = '{}'",
        stuck.head
    );
    run(&mut stuck.context.worker().await, &half).await;
    assert_eq!(stuck.states().await, "ready held held");
    assert_eq!(stuck.outbox.release_unheld().await.unwrap(), 2);
    assert_eq!(ids(&publisher.publish().await), stuck.whole_aggregate());
}

#[tokio::test]
async fn the_same_id_of_another_kind_is_another_aggregate() {
    let mut stuck = Stuck::new().await;
    let mut event = stuck.context.event(Some("a"));
    event.aggregate_type = None;
    sea_mq_outbox::emit(&mut stuck.app, &event).await.unwrap();
    stuck.outbox.hold(&[event.id]).await.unwrap();
    let claimed = claim_all(&stuck.outbox).await;
    let found = claimed.iter().find(|row| row.id == event.id).unwrap();
    assert!(!found.behind_parked);
}
