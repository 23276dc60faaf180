//! Writers of every kind at once, publishers that come and go: nothing lost, nothing twice, in order.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

use crate::publisher::Publisher;
use crate::support::{Context, run};

const WRITERS: usize = 6;
const AGGREGATES: usize = 5;

/// One application: transactions that serialise on an aggregate's row, some of them long, some with
/// savepoints, some rolled back. Returns what it committed.
async fn write(context: Arc<Context>, seed: u64) -> Vec<Uuid> {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut app = context.app().await;
    let mut committed = Vec::new();
    for _transaction in 0..60 {
        let aggregate = random.random_range(0..AGGREGATES);
        run(&mut app, &format!("BEGIN; SELECT pg_advisory_xact_lock({aggregate})")).await;
        let mut mine = Vec::new();
        for _event in 0..random.random_range(1..4) {
            if random.random_bool(0.3) {
                run(&mut app, "SAVEPOINT s").await;
                context.emit(&mut app, Some(&aggregate.to_string())).await;
                run(&mut app, "ROLLBACK TO s").await;
            }
            mine.push(context.emit(&mut app, Some(&aggregate.to_string())).await);
            if random.random_bool(0.2) {
                mine.push(context.emit(&mut app, None).await);
            }
        }
        // Some stay open while others commit: the round trips are the time that passes.
        for _pause in 0..random.random_range(0..30) {
            run(&mut app, "SELECT").await;
        }
        if random.random_bool(0.2) {
            run(&mut app, "ROLLBACK").await;
        } else {
            run(&mut app, "COMMIT").await;
            committed.extend(mine);
        }
    }
    committed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_committed_is_published_once_and_in_order() {
    let context = Arc::new(Context::new().await);
    let outbox = context.outbox().await;
    let at_work = Arc::new(AtomicUsize::new(WRITERS));
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..WRITERS {
        let (context, at_work) = (Arc::clone(&context), Arc::clone(&at_work));
        writers.spawn(async move {
            let committed = write(context, u64::try_from(n).unwrap()).await;
            at_work.fetch_sub(1, Ordering::SeqCst);
            committed
        });
    }
    let mut publisher = Publisher::new(outbox.clone()).await;
    let mut published: Vec<(Option<String>, i64, Uuid)> = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    for look in 1.. {
        // The last look begins after the last commit.
        let last = at_work.load(Ordering::SeqCst) == 0;
        let rows = publisher.publish().await;
        published.extend(rows.into_iter().map(|row| (row.aggregate_id, row.seq, row.id)));
        if last {
            break;
        }
        if look % 25 == 0 {
            publisher.save().await;
            publisher = Publisher::resumed(outbox.clone()).await;
        }
        assert!(Instant::now() < deadline, "the writers do not end");
    }

    let mut committed: Vec<Uuid> = writers.join_all().await.into_iter().flatten().collect();
    let mut found: Vec<Uuid> = published.iter().map(|(_, _, id)| *id).collect();
    committed.sort_unstable();
    found.sort_unstable();
    assert_eq!(found.len(), committed.len());
    assert_eq!(found, committed);
    let mut last: HashMap<&str, i64> = HashMap::new();
    for (aggregate, seq, id) in &published {
        if let Some(aggregate) = aggregate {
            let before = last.insert(aggregate, *seq);
            assert!(before.is_none_or(|before| before < *seq), "{id} of {aggregate} came after a later one");
        }
    }
}
