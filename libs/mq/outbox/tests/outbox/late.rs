//! A row that commits late is never skipped, whatever its sequence.

use uuid::Uuid;

use crate::publisher::Publisher;
use crate::support::{Context, ids, run};

#[tokio::test]
async fn a_lower_sequence_that_commits_later_is_found() {
    let context = Context::new().await;
    let mut publisher = Publisher::new(context.outbox().await).await;
    let (mut slow, mut fast) = (context.app().await, context.app().await);
    run(&mut slow, "BEGIN").await;
    let late = context.emit(&mut slow, Some("one")).await;
    // The same lane, so that the cursor passes it.
    let early = context.emit(&mut fast, Some("one")).await;
    assert_eq!(ids(&publisher.publish().await), [early]);
    run(&mut slow, "COMMIT").await;
    let found = publisher.publish().await;
    assert_eq!(ids(&found), [late]);
    assert!(publisher.publish().await.is_empty());
}

#[tokio::test]
async fn it_is_found_across_many_looks_and_many_other_commits() {
    let context = Context::new().await;
    let mut publisher = Publisher::new(context.outbox().await).await;
    let (mut slow, mut fast) = (context.app().await, context.app().await);
    run(&mut slow, "BEGIN").await;
    let late = [context.emit(&mut slow, Some("a")).await, context.emit(&mut slow, None).await];
    for round in 0..20 {
        let mut emitted = Vec::new();
        for n in 0..10 {
            emitted.push(context.emit(&mut fast, Some(&(n % 3 + round).to_string())).await);
        }
        let mut found = ids(&publisher.publish().await);
        found.sort_unstable();
        emitted.sort_unstable();
        assert_eq!(found, emitted, "round {round}: the open transaction holds nobody back");
        assert!(publisher.publish().await.is_empty());
    }
    run(&mut slow, "COMMIT").await;
    assert_eq!(ids(&publisher.publish().await), late);
    assert!(publisher.publish().await.is_empty());
}

#[tokio::test]
async fn several_transactions_open_at_once_are_found_each_in_its_time() {
    let context = Context::new().await;
    let mut publisher = Publisher::new(context.outbox().await).await;
    let mut writers = Vec::new();
    for n in 0..6 {
        let mut app = context.app().await;
        run(&mut app, "BEGIN").await;
        let id = context.emit(&mut app, Some(&(n % 2).to_string())).await;
        assert!(publisher.publish().await.is_empty());
        writers.push((app, id));
    }
    // They end in another order than they began, one of them by rolling back.
    for n in [4, 1, 5, 0, 3, 2] {
        let (app, id) = &mut writers[n];
        run(app, if n == 5 { "ROLLBACK" } else { "COMMIT" }).await;
        let expected: Vec<Uuid> = if n == 5 { vec![] } else { vec![*id] };
        assert_eq!(ids(&publisher.publish().await), expected, "writer {n}");
    }
}

#[tokio::test]
async fn subtransactions_are_their_transactions() {
    let context = Context::new().await;
    let mut publisher = Publisher::new(context.outbox().await).await;
    let (mut slow, mut fast) = (context.app().await, context.app().await);
    run(&mut slow, "BEGIN; SAVEPOINT a").await;
    let mut kept = vec![context.emit(&mut slow, Some("k")).await];
    run(&mut slow, "RELEASE a; SAVEPOINT b").await;
    context.emit(&mut slow, Some("k")).await;
    run(&mut slow, "ROLLBACK TO b").await;
    // More than a snapshot lists one by one.
    for n in 0..80 {
        run(&mut slow, &format!("SAVEPOINT s{n}")).await;
        kept.push(context.emit(&mut slow, Some("k")).await);
    }
    let early = context.emit(&mut fast, Some("k")).await;
    assert_eq!(ids(&publisher.publish().await), [early]);
    context.emit(&mut slow, Some("k")).await;
    run(&mut slow, "ROLLBACK TO s79").await;
    kept.pop();
    assert!(publisher.publish().await.is_empty());
    run(&mut slow, "COMMIT").await;
    assert_eq!(ids(&publisher.publish().await), kept);
}

#[tokio::test]
async fn a_new_owner_finds_what_committed_after_the_positions_were_kept() {
    let context = Context::new().await;
    let outbox = context.outbox().await;
    let mut publisher = Publisher::new(outbox.clone()).await;
    let (mut slow, mut fast) = (context.app().await, context.app().await);
    run(&mut slow, "BEGIN").await;
    let late = context.emit(&mut slow, Some("one")).await;
    context.emit(&mut fast, Some("one")).await;
    context.emit(&mut fast, Some("two")).await;
    assert_eq!(publisher.publish().await.len(), 2);
    publisher.save().await;
    drop(publisher);

    let new = context.emit(&mut fast, Some("three")).await;
    run(&mut slow, "COMMIT").await;
    let mut next = Publisher::resumed(outbox.clone()).await;
    assert_eq!(ids(&next.publish().await), [late, new]);
    next.save().await;
    assert!(Publisher::resumed(outbox).await.publish().await.is_empty());
}

#[tokio::test]
async fn positions_are_kept_per_lane_and_renewed() {
    let context = Context::new().await;
    let outbox = context.outbox().await;
    assert!(outbox.positions(&[0, 1]).await.unwrap().is_empty());
    outbox.save_positions(&[(0, 5), (1, 7)], "3:3:").await.unwrap();
    outbox.save_positions(&[(1, 9), (2, 1)], "4:6:4,5").await.unwrap();
    let mut kept = outbox.positions(&[0, 1, 3]).await.unwrap();
    kept.sort_by_key(|position| position.lane);
    let kept: Vec<_> = kept.iter().map(|p| (p.lane, p.floor, p.snapshot.as_deref().unwrap())).collect();
    assert_eq!(kept, [(0, 5, "3:3:"), (1, 9, "4:6:4,5")]);
}
