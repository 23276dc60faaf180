//! Emit, claim, mark: contents, order, bounds.

use sea_mq_outbox::{Cursor, NewEvent, Published, emit};
use serde_json::json;
use time::macros::datetime;
use uuid::Uuid;

use crate::support::{Context, claim_all, from_the_start, ids, run, text};

#[tokio::test]
async fn a_row_is_claimed_as_it_was_emitted_and_marked_once() {
    let context = Context::new().await;
    let (outbox, mut app) = (context.outbox().await, context.app().await);
    let event = NewEvent {
        payload: json!({"title": "é", "n": 1}),
        correlation_id: Some(Uuid::new_v4()),
        causation_id: Some(Uuid::new_v4()),
        occurred_at: Some(datetime!(2024-02-29 12:00:00.5 UTC)),
        trace_id: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        ..context.event(Some("42"))
    };
    emit(&mut app, &event).await.unwrap();
    let bare = context.emit(&mut app, None).await;

    let claimed = claim_all(&outbox).await;
    assert_eq!(ids(&claimed), [event.id, bare]);
    let row = &claimed[0];
    assert_eq!((row.event_type.as_str(), row.event_version), ("case_opened", 1));
    assert_eq!(
        (&row.subject, &row.aggregate_type, &row.aggregate_id),
        (&event.subject, &event.aggregate_type, &event.aggregate_id)
    );
    assert_eq!(serde_json::from_str::<serde_json::Value>(&row.payload).unwrap(), event.payload);
    assert_eq!(Some(row.occurred_at), event.occurred_at);
    assert_eq!(
        (Some(row.correlation_id), row.causation_id, &row.trace_id),
        (event.correlation_id, event.causation_id, &event.trace_id)
    );
    assert!(!row.behind_parked);
    assert_eq!((claimed[1].correlation_id, claimed[1].causation_id), (bare, None), "it starts a chain");
    assert!(claimed[1].aggregate_id.is_none() && claimed[1].since >= row.since);

    let marked = [Published { id: event.id, stream_seq: 7, attempts: 3 }];
    let incarnation = datetime!(2026-01-01 00:00 UTC);
    assert_eq!(outbox.mark_published("T_EVENTS", incarnation, &marked).await.unwrap(), 1);
    let again = [Published { id: event.id, stream_seq: 9, attempts: 1 }];
    assert_eq!(outbox.mark_published("T_EVENTS", incarnation, &again).await.unwrap(), 0);
    assert_eq!(ids(&claim_all(&outbox).await), [bare]);
    let kept = format!(
        "SELECT concat_ws(' ', state, stream, stream_seq, publish_attempts, published_at > recorded_at, \
                          extract(year FROM stream_created_at), publish_error IS NULL) \
         FROM outbox_events WHERE id = '{}'",
        event.id
    );
    assert_eq!(text(&mut context.worker().await, &kept).await, "published T_EVENTS 7 3 t 2026 t");
}

#[tokio::test]
async fn rows_come_in_the_order_of_their_insertion() {
    let context = Context::new().await;
    let (outbox, mut app) = (context.outbox().await, context.app().await);
    let mut emitted = Vec::new();
    for n in 0..60 {
        let aggregate = (n % 7).to_string();
        emitted.push(context.emit(&mut app, (n % 5 > 0).then_some(aggregate.as_str())).await);
    }
    let claimed = claim_all(&outbox).await;
    assert_eq!(ids(&claimed), emitted);
    assert!(claimed.windows(2).all(|pair| pair[0].seq < pair[1].seq));
}

#[tokio::test]
async fn only_the_lanes_asked_for_are_read_each_from_its_cursor() {
    let context = Context::new().await;
    let (outbox, mut app) = (context.outbox().await, context.app().await);
    for n in 0..200 {
        context.emit(&mut app, Some(&n.to_string())).await;
    }
    let all = claim_all(&outbox).await;
    let (lane, other) = (all[0].lane, all.iter().find(|row| row.lane != all[0].lane).unwrap().lane);
    let of = |lane: i16| all.iter().filter(|row| row.lane == lane).cloned().collect::<Vec<_>>();
    let middle = of(lane)[1].seq;
    let cursors = [Cursor { lane, after: middle }, Cursor { lane: other, after: 0 }];
    let rows = outbox.claim(&cursors, 1000, i64::MAX).await.unwrap();
    let expected: Vec<Uuid> = all
        .iter()
        .filter(|row| (row.lane == lane && row.seq > middle) || row.lane == other)
        .map(|row| row.id)
        .collect();
    assert_eq!(ids(&rows), expected);
    assert!(outbox.claim(&[], 1000, i64::MAX).await.unwrap().is_empty());
    assert_eq!(outbox.lowest_ready(lane).await.unwrap(), Some(of(lane)[0].seq));
}

#[tokio::test]
async fn the_bound_per_lane_binds_each_lane() {
    let context = Context::new().await;
    let (outbox, mut app) = (context.outbox().await, context.app().await);
    for n in 0..400 {
        context.emit(&mut app, Some(&(n % 40).to_string())).await;
    }
    let all = claim_all(&outbox).await;
    let rows = outbox.claim(&from_the_start(), 3, i64::MAX).await.unwrap();
    for lane in 0..32 {
        let first: Vec<Uuid> = all.iter().filter(|row| row.lane == lane).take(3).map(|row| row.id).collect();
        let got: Vec<Uuid> = rows.iter().filter(|row| row.lane == lane).map(|row| row.id).collect();
        assert_eq!(got, first, "lane {lane}");
    }
}

#[tokio::test]
async fn the_byte_bound_cuts_off_the_newest_and_leaves_one() {
    let context = Context::new().await;
    let (outbox, mut app) = (context.outbox().await, context.app().await);
    let mut emitted = Vec::new();
    for n in 0..20 {
        let event = NewEvent { payload: json!("x".repeat(998)), ..context.event(Some(&n.to_string())) };
        emit(&mut app, &event).await.unwrap();
        emitted.push(event.id);
    }
    for (bytes, rows) in [(1, 1), (1000, 1), (1001, 2), (5000, 5), (5001, 6), (i64::MAX, 20)] {
        let claimed = outbox.claim(&from_the_start(), 1000, bytes).await.unwrap();
        assert_eq!(ids(&claimed), emitted[..rows], "{bytes} bytes");
    }
}

#[tokio::test]
async fn what_is_rolled_back_was_never_there() {
    let context = Context::new().await;
    let (outbox, mut app) = (context.outbox().await, context.app().await);
    let before = outbox.snapshot().await.unwrap();
    run(&mut app, "BEGIN").await;
    context.emit(&mut app, Some("1")).await;
    assert!(claim_all(&outbox).await.is_empty(), "not before the commit");
    run(&mut app, "ROLLBACK").await;
    assert!(claim_all(&outbox).await.is_empty());
    assert!(outbox.scout(&before).await.unwrap().lanes.is_empty());
}
