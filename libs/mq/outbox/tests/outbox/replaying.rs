use sea_mq_outbox::{Outbox, Published, PublishedQuery, PublishedRow};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::support::{Context, claim_all, count, ids};

const FORMER: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

async fn query(outbox: &Outbox) -> PublishedQuery {
    PublishedQuery {
        stream: "S".to_owned(),
        incarnation: FORMER + time::Duration::DAY,
        since: OffsetDateTime::UNIX_EPOCH,
        before: outbox.now().await.unwrap(),
        subject: None,
        above: 0,
    }
}

/// All pages, one at a time.
async fn found(outbox: &Outbox, query: &PublishedQuery) -> Vec<PublishedRow> {
    let mut rows = Vec::new();
    for page in 0..outbox.pages().await.unwrap() {
        rows.extend(outbox.published_in(page..page + 1, query).await.unwrap());
    }
    rows.sort_unstable_by_key(|row| row.seq);
    rows
}

fn marks(ids: &[Uuid]) -> Vec<Published> {
    (1..).zip(ids).map(|(stream_seq, id)| Published { id: *id, stream_seq, attempts: 1 }).collect()
}

#[tokio::test]
async fn published_rows_are_found_with_their_places_and_get_new_ones() {
    let context = Context::new().await;
    let (outbox, mut app) = (context.outbox().await, context.app().await);
    for n in 0..300 {
        context.emit(&mut app, Some(&format!("a{}", n % 7))).await;
    }
    let all = ids(&claim_all(&outbox).await);
    outbox.mark_published("S", FORMER, &marks(&all[..100])).await.unwrap();
    let mut query = query(&outbox).await;
    query.before += time::Duration::MINUTE;
    outbox.mark_published("S", query.incarnation, &marks(&all[100..200])).await.unwrap();

    let rows = found(&outbox, &query).await;
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), all[..200], "what waits is not looked at");
    let places: Vec<Option<i64>> = rows.iter().map(|row| row.stream_seq).collect();
    assert_eq!(places[..100], [None; 100]);
    assert_eq!(places[100..], (1..=100).map(Some).collect::<Vec<_>>());

    let above = PublishedQuery { above: rows[149].seq, ..query.clone() };
    assert_eq!(found(&outbox, &above).await.len(), 50);
    let before = PublishedQuery { before: rows[0].published_at, ..query.clone() };
    assert!(found(&outbox, &before).await.is_empty());
    let other = PublishedQuery { subject: Some("^nothing$".to_owned()), ..query.clone() };
    assert!(found(&outbox, &other).await.is_empty());

    let events = outbox.published_events(&all[..10], i64::MAX).await.unwrap();
    assert_eq!(ids(&events), all[..10], "in the outbox's order");
    assert_eq!(ids(&outbox.published_events(&all[..10], 1).await.unwrap()), all[..1], "one at least");
    assert!(outbox.published_events(&all[250..], i64::MAX).await.unwrap().is_empty(), "not published");

    let moved = outbox.mark_republished("S", query.incarnation, &marks(&all[..300])).await.unwrap();
    assert_eq!(moved, 200, "what waits is left to its publisher");
    assert!(found(&outbox, &query).await.iter().all(|row| row.stream_seq.is_some()));
    let mut superuser = context.superuser().await;
    let sent_twice = "SELECT count(*) FROM outbox_events WHERE publish_attempts = 2 AND state = 'published'";
    assert_eq!(count(&mut superuser, sent_twice).await, 200);
    assert!(outbox.may_mark().await.unwrap());
    assert!(!Outbox::new(context.app_pool().await).may_mark().await.unwrap());
}
