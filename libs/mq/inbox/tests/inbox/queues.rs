//! What a lane's owner reads: ready, due, behind, open, floors.

use std::collections::BTreeMap;
use std::time::Duration;

use sea_mq_inbox::{AggregateKey, DueRow, GivenUp, OpenState, Processed, QueuedRow, Retry, Standing};
use uuid::Uuid;

use crate::support::{Context, all_lanes, arrival, lane_of, run};

fn due_ids(rows: &[DueRow]) -> Vec<Uuid> {
    rows.iter().map(|due| due.row.message_id).collect()
}

fn ids(rows: &[QueuedRow]) -> Vec<Uuid> {
    rows.iter().map(|row| row.message_id).collect()
}

fn from_the_start() -> Vec<(i16, i64)> {
    all_lanes().into_iter().map(|lane| (lane, 0)).collect()
}

fn failed(message_id: Uuid, delay: Duration) -> Retry {
    Retry { message_id, fence: 1, delay, error: Some("500".to_owned()), suspect: true, give_back: false }
}

#[tokio::test]
async fn ready_rows_come_in_order_from_each_cursor() {
    let context = Context::new().await;
    let group: Vec<_> = (0..60).map(|n| arrival((n % 4 > 0).then_some(["a", "b", "c"][n % 3]), 1)).collect();
    context.record(&group).await;
    let inbox = &context.inbox;
    let all = inbox.ready(&from_the_start(), 1000).await.unwrap();
    assert_eq!(ids(&all), group.iter().map(|row| row.message_id).collect::<Vec<_>>());
    let (row, key) = (&all[1], AggregateKey::Aggregate(Some("case".to_owned()), "b".to_owned()));
    assert_eq!(
        (&row.key, row.event_type.as_str(), row.attempts, row.suspect),
        (&key, "case_opened", 0, false)
    );
    assert_eq!(all[0].key, AggregateKey::Single(group[0].message_id));

    let of_b: Vec<QueuedRow> = all.iter().filter(|row| row.lane == lane_of("b")).cloned().collect();
    let rest = inbox.ready(&[(lane_of("b"), of_b[2].pos)], 4).await.unwrap();
    assert_eq!(rest, of_b[3..7], "above the cursor, and no more than asked for");
    context.inbox.start(context.instance(), &[of_b[3].message_id]).await.unwrap();
    assert_eq!(inbox.ready(&[(lane_of("b"), of_b[2].pos)], 1).await.unwrap(), of_b[4..5]);
    assert!(inbox.ready(&[], 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn due_rows_come_longest_overdue_first() {
    let context = Context::new().await;
    let mut rows = Vec::new();
    for _n in 0..4 {
        rows.push(context.running("a").await);
    }
    let retries: Vec<Retry> = rows.iter().map(|id| failed(*id, Duration::from_secs(600))).collect();
    context.inbox.settle_retry(&retries).await.unwrap();
    let lanes = [lane_of("a")];
    assert!(context.inbox.due(&lanes, None, 10).await.unwrap().is_empty());
    let mut worker = context.worker().await;
    for (id, seconds_ago) in [(rows[0], 1), (rows[1], 30), (rows[2], 20)] {
        let sql = format!(
            "UPDATE inbox_messages SET next_attempt_at = clock_timestamp() - interval '{seconds_ago} s' WHERE message_id = '{id}'"
        );
        run(&mut worker, &sql).await;
    }
    let due = context.inbox.due(&lanes, None, 10).await.unwrap();
    assert_eq!(due_ids(&due), [rows[1], rows[2], rows[0]]);
    assert!(due.iter().all(|due| due.row.suspect && due.row.attempts == 1));
    assert_eq!(due_ids(&context.inbox.due(&lanes, None, 1).await.unwrap()), [rows[1]]);
    assert!(context.inbox.due(&[(lane_of("a") + 1) % 32], None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn rows_behind_are_no_longer_ready_and_come_in_order() {
    let context = Context::new().await;
    let (a, b) = (context.ready("a", 5).await, context.ready("b", 1).await);
    let inbox = &context.inbox;
    inbox.start(context.instance(), &a[..1]).await.unwrap();
    inbox.put_behind(context.instance(), &[a[3], a[1], a[0], a[2], Uuid::new_v4()]).await.unwrap();
    assert_eq!(context.row(a[0]).await, "running 1 1 0", "what is not ready stays as it is");
    assert_eq!(ids(&inbox.ready(&from_the_start(), 10).await.unwrap()), [a[4], b[0]]);
    assert_eq!(ids(&inbox.behind(lane_of("a"), Some("case"), "a", 10).await.unwrap()), a[1..4]);
    assert_eq!(ids(&inbox.behind(lane_of("a"), Some("case"), "a", 2).await.unwrap()), a[1..3]);
    assert!(inbox.behind(lane_of("a"), None, "a", 10).await.unwrap().is_empty(), "another aggregate");
    // They are started from there.
    assert_eq!(inbox.start(context.instance(), &a[1..2]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn all_that_is_open_is_found_on_taking_over() {
    let context = Context::new().await;
    let inbox = &context.inbox;
    let running = context.running("running").await;
    let waiting = context.running("waiting").await;
    inbox.settle_retry(&[failed(waiting, Duration::from_secs(60))]).await.unwrap();
    let (dying, held, let_go) =
        (context.running("dying").await, context.running("held").await, context.running("dead").await);
    let gone = |message_id| GivenUp { message_id, fence: 1, reason: "poison", error: "422".to_owned() };
    inbox.settle_given_up(&[gone(dying), gone(held), gone(let_go)]).await.unwrap();
    assert!(
        inbox.mark_dead(held, 2, true).await.unwrap() && inbox.mark_dead(let_go, 2, false).await.unwrap()
    );
    let behind = context.ready("waiting", 3).await;
    inbox.put_behind(context.instance(), &behind).await.unwrap();
    context.ready("ready", 1).await;
    let done = context.running("done").await;
    inbox.settle_processed(&[Processed { message_id: done }]).await.unwrap();

    let open = inbox.open(&all_lanes()).await.unwrap();
    let found: BTreeMap<Uuid, (OpenState, i64)> =
        open.iter().map(|row| (row.row.message_id, (row.state, row.fence))).collect();
    let expected = BTreeMap::from([
        (running, (OpenState::Running, 1)),
        (waiting, (OpenState::Waiting, 1)),
        (dying, (OpenState::Dying, 2)),
        (held, (OpenState::Holding, 2)),
        (behind[0], (OpenState::Behind, 0)),
    ]);
    assert_eq!(found, expected);
    assert_eq!(open.len(), expected.len());
    let only = inbox.open(&[lane_of("running")]).await.unwrap();
    assert!(only.iter().any(|row| row.row.message_id == running));
    assert!(only.iter().all(|row| row.row.lane == lane_of("running")));
}

#[tokio::test]
async fn where_messages_stand() {
    let context = Context::new().await;
    let inbox = &context.inbox;
    let ready = context.ready("a", 2).await;
    let places: Vec<i64> =
        inbox.ready(&from_the_start(), 10).await.unwrap().iter().map(|row| row.pos).collect();
    inbox.put_behind(context.instance(), &ready[1..]).await.unwrap();
    let running = context.running("b").await;
    let waiting = context.running("c").await;
    inbox.settle_retry(&[failed(waiting, Duration::ZERO)]).await.unwrap();
    let asked = [ready[0], ready[1], running, waiting, Uuid::new_v4()];
    let stand: BTreeMap<Uuid, Standing> = inbox.standing(&asked).await.unwrap().into_iter().collect();
    let expected = BTreeMap::from([
        (ready[0], Standing::Startable(places[0])),
        (ready[1], Standing::Startable(places[1])),
        (running, Standing::Running(1)),
        (waiting, Standing::Blocking),
    ]);
    assert_eq!(stand, expected);
    assert!(inbox.no_longer_blocking(&asked).await.unwrap().is_empty());
    inbox.settle_processed(&[Processed { message_id: waiting }]).await.unwrap();
    assert_eq!(inbox.no_longer_blocking(&asked).await.unwrap(), [waiting]);
}

#[tokio::test]
async fn deferred_rows_wait_uncounted_and_are_recalled_by_their_type() {
    let context = Context::new().await;
    let inbox = &context.inbox;
    let rows = context.ready("a", 3).await;
    let failing = context.running("a").await;
    inbox.settle_retry(&[failed(failing, Duration::from_secs(600))]).await.unwrap();
    let running = context.running("a").await;
    inbox.defer(context.instance(), &[rows[0], rows[1], running], Duration::from_secs(600)).await.unwrap();
    assert_eq!(context.row(rows[0]).await, "waiting 0 0 0");
    assert_eq!(context.row(running).await, "running 1 1 0", "what runs is not deferred");
    let lanes = [lane_of("a")];
    assert!(inbox.due(&lanes, None, 10).await.unwrap().is_empty());
    assert!(!inbox.recall(context.instance(), Some("case_closed"), 10).await.unwrap());
    assert!(inbox.due(&lanes, None, 10).await.unwrap().is_empty(), "of another type");
    assert!(inbox.recall(context.instance(), Some("case_opened"), 1).await.unwrap(), "there may be more");
    assert!(!inbox.recall(context.instance(), Some("case_opened"), 2).await.unwrap(), "not the failed one");
    let mut due = due_ids(&inbox.due(&lanes, None, 10).await.unwrap());
    due.sort_unstable();
    let mut expected = rows[..2].to_vec();
    expected.sort_unstable();
    assert_eq!(due, expected);
    assert!(!inbox.recall(context.instance(), None, 1).await.unwrap(), "what is due is left alone");
}

#[tokio::test]
async fn due_rows_come_in_pages() {
    let context = Context::new().await;
    let inbox = &context.inbox;
    let mut rows = Vec::new();
    for _n in 0..5 {
        rows.push(context.running("a").await);
    }
    // All of them at one instant: their places tell them apart.
    let retries: Vec<Retry> = rows.iter().map(|id| failed(*id, Duration::ZERO)).collect();
    inbox.settle_retry(&retries).await.unwrap();
    run(&mut context.worker().await, "UPDATE inbox_messages SET next_attempt_at = now()").await;
    let lanes = [lane_of("a")];
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = inbox.due(&lanes, after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.place);
        found.extend(due_ids(&page));
    }
    assert_eq!(found, rows);
}

#[tokio::test]
async fn who_was_buried_or_does_not_hold_the_lane_moves_nothing() {
    let context = Context::new().await;
    let inbox = &context.inbox;
    let rows = context.ready("a", 2).await;
    inbox.defer(context.instance(), &rows[1..], Duration::from_secs(600)).await.unwrap();
    let mut other = context.other().await;
    let stranger = other.tick().await.unwrap().instance;
    let tried = async |instance| {
        inbox.put_behind(instance, &rows[..1]).await.unwrap();
        inbox.defer(instance, &rows[..1], Duration::from_secs(600)).await.unwrap();
        assert!(!inbox.recall(instance, Some("case_opened"), 1).await.unwrap());
        assert!(inbox.start(instance, &rows[..1]).await.unwrap().is_empty());
        assert_eq!(context.row(rows[0]).await, "ready 0 0 0");
        assert!(inbox.due(&all_lanes(), None, 10).await.unwrap().is_empty());
    };
    tried(stranger).await;
    context.bury().await;
    tried(context.instance()).await;
}

#[tokio::test]
async fn floors_are_kept_per_lane() {
    let context = Context::new().await;
    let inbox = &context.inbox;
    assert_eq!(inbox.floors(&[3, 4]).await.unwrap(), [(3, 0), (4, 0)]);
    inbox.save_floors(&[(3, 10), (4, 20)]).await.unwrap();
    inbox.save_floors(&[(4, 25)]).await.unwrap();
    let mut kept = inbox.floors(&[3, 4, 5]).await.unwrap();
    kept.sort_unstable();
    assert_eq!(kept, [(3, 10), (4, 25), (5, 0)]);
}
