//! Recording: the commit that allows the ack.

use bytes::Bytes;
use sea_mq_inbox::{Arrival, Incarnation, Ingest, Recorded, Unusable};
use time::macros::datetime;
use uuid::Uuid;

use crate::support::{Context, INCARNATION, STREAM, arrival, completing, count, right, run, text};

#[tokio::test]
async fn a_group_is_recorded_in_stream_order_and_whole() {
    let context = Context::new().await;
    let body = Bytes::from_static(b"\x00 is in here, and \xff too");
    let mut group: Vec<Arrival> = (10..200).map(|seq| arrival(Some("a"), seq)).collect();
    group[3] = Arrival { body: body.clone(), ..arrival(None, 13) };
    let new = context.record(&group).await;
    let ids = |rows: &[Arrival]| rows.iter().map(|row| row.message_id).collect::<Vec<Uuid>>();
    let mut by_place = new.clone();
    by_place.sort_by_key(|row| row.pos);
    assert_eq!(by_place.iter().map(|row| row.message_id).collect::<Vec<_>>(), ids(&group));
    let stored: Vec<u8> = sqlx::query_scalar("SELECT body FROM inbox_messages WHERE aggregate_id IS NULL")
        .fetch_one(&mut context.worker().await)
        .await
        .unwrap();
    assert_eq!(stored, body);
    let first = context.row(group[0].message_id).await;
    assert_eq!(first, "ready 0 0 0");
}

#[tokio::test]
async fn duplicates_are_left_as_they_are_and_told_apart() {
    let context = Context::new().await;
    let old = arrival(Some("a"), 1);
    context.record(std::slice::from_ref(&old)).await;
    let new = arrival(Some("a"), 2);
    // Once more as something else, twice in the group, and beside a new one.
    let changed = Arrival { body: Bytes::from_static(b"{}"), start: true, ..old.clone() };
    let recorded = context.record(&[changed.clone(), new.clone(), changed, new.clone()]).await;
    assert_eq!(recorded.iter().map(|row| row.message_id).collect::<Vec<_>>(), [new.message_id]);
    assert_eq!(context.row(old.message_id).await, "ready 0 0 0");
    assert!(context.record(&[]).await.is_empty());
    let total = count(&mut context.worker().await, "SELECT count(*) FROM inbox_messages").await;
    assert_eq!(total, 2);
}

#[tokio::test]
async fn the_same_message_of_another_consumer_is_another_row() {
    let context = Context::new().await;
    let message = arrival(Some("a"), 1);
    context.record(std::slice::from_ref(&message)).await;
    let other = sea_mq_inbox::Inbox::new(context.impatient(1).await, "me__for_audit");
    let mut registry = sea_mq_lease::Registry::new(
        context.impatient(1).await,
        "audit".to_owned(),
        vec![sea_mq_lease::Role { name: other.ingest_role().into(), lanes: 1 }],
        std::time::Duration::from_secs(600),
    );
    let ingest = right(&other, &mut registry).await;
    let recorded = other.record(&ingest, std::slice::from_ref(&message)).await.unwrap();
    assert!(matches!(recorded, Recorded::New(rows) if rows.len() == 1));
}

#[tokio::test]
async fn a_duplicate_that_a_handler_holds_is_not_waited_for() {
    let context = Context::new().await;
    let held = Arrival { start: true, ..arrival(Some("a"), 1) };
    context.record(std::slice::from_ref(&held)).await;
    let mut handler = completing(&context, held.message_id, 1).await;
    let new = arrival(Some("b"), 2);
    let recorded = context.record(&[held.clone(), new.clone()]).await;
    assert_eq!(recorded.iter().map(|row| row.message_id).collect::<Vec<_>>(), [new.message_id]);
    run(&mut handler, "COMMIT").await;
    assert!(context.record(&[held.clone(), new]).await.is_empty());
    assert_eq!(context.row(held.message_id).await, "processed 1 1 0");
}

#[tokio::test]
async fn started_and_dying_rows_are_recorded_as_such() {
    let context = Context::new().await;
    let started = Arrival { start: true, ..arrival(Some("a"), 1) };
    let unusable = Unusable { reason: "malformed", error: "the body is not JSON".to_owned() };
    let dying = Arrival { unusable: Some(unusable.clone()), ..arrival(None, 2) };
    let both = Arrival { unusable: Some(unusable), start: true, ..arrival(None, 3) };
    assert_eq!(context.record(&[started.clone(), dying.clone(), both.clone()]).await.len(), 3);
    assert_eq!(context.row(started.message_id).await, "running 1 1 0");
    assert_eq!(context.row(dying.message_id).await, "dying 0 0 0");
    assert_eq!(context.row(both.message_id).await, "dying 0 0 0", "what is unusable is not started");
    let why =
        "SELECT string_agg(dead_reason || ': ' || last_error, ', ') FROM inbox_messages WHERE stream_seq = 2";
    assert_eq!(text(&mut context.worker().await, why).await, "malformed: the body is not JSON");
}

#[tokio::test]
async fn the_recorded_sequence_only_rises_and_is_kept_per_incarnation() {
    let context = Context::new().await;
    assert!(context.inbox.incarnations(STREAM).await.unwrap().is_empty());
    for upto in [7, 0, 5, 9] {
        let right = Ingest { recorded_seq: upto, ..context.ingest.clone() };
        assert_eq!(context.inbox.record(&right, &[]).await.unwrap(), Recorded::New(vec![]));
    }
    let later = datetime!(2026-02-01 00:00 UTC);
    let again = Ingest { incarnation: later, recorded_seq: 2, ..context.ingest.clone() };
    context.inbox.record(&again, &[arrival(None, 2)]).await.unwrap();
    assert_eq!(
        context.inbox.incarnations(STREAM).await.unwrap(),
        [
            Incarnation { created_at: later, recorded_seq: 2 },
            Incarnation { created_at: INCARNATION, recorded_seq: 9 }
        ]
    );
    assert!(context.inbox.incarnations("ANOTHER").await.unwrap().is_empty());
}

/// Nothing was written: no row, no sequence.
async fn assert_lost(context: &Context, right: &Ingest) {
    let right = Ingest { recorded_seq: 5, ..right.clone() };
    let recorded = context.inbox.record(&right, &[arrival(Some("a"), 5)]).await.unwrap();
    assert_eq!(recorded, Recorded::LeaseLost);
    let written = "SELECT (SELECT count(*) FROM inbox_messages) + (SELECT count(*) FROM inbox_streams)";
    assert_eq!(count(&mut context.worker().await, written).await, 0);
}

#[tokio::test]
async fn a_buried_instance_records_nothing() {
    let context = Context::new().await;
    context.bury().await;
    assert_lost(&context, &context.ingest).await;
}

#[tokio::test]
async fn whoever_lost_the_lease_records_nothing_though_it_lives() {
    let context = Context::new().await;
    let mut other = context.other().await;
    context.registry.release(context.inbox.ingest_role(), &[0]).await.unwrap();
    assert_lost(&context, &context.ingest).await;
    let theirs = right(&context.inbox, &mut other).await;
    assert_eq!(theirs.epoch, context.ingest.epoch + 1);
    assert_lost(&context, &context.ingest).await;
    // The lease came back to it meanwhile: the old epoch is still the past.
    let mut context = context;
    other.leave().await.unwrap();
    let again = right(&context.inbox, &mut context.registry).await;
    assert_eq!((again.instance, again.epoch), (context.ingest.instance, context.ingest.epoch + 2));
    assert_lost(&context, &context.ingest).await;
    let recorded = context.inbox.record(&again, &[arrival(Some("a"), 5)]).await.unwrap();
    assert!(matches!(recorded, Recorded::New(rows) if rows.len() == 1));
}
