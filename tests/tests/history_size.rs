//! What history costs: a binary of its own, so that nothing else runs while it is measured.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use sea_mq_testkit::{Answer, Event, World, WorldOptions};
use sea_mq_tests::{Outcome, SOON, latencies, percentile};
use sqlx::Connection;

/// Single events of each round of a measurement, one after the other. What else the machine does only
/// adds to the time they take: the quickest of the rounds counts.
const SAMPLES: usize = 50;
const ROUNDS: [&str; 4] = ["first", "second", "third", "fourth"];
/// What a machine that does other things as well adds to a median.
const WOBBLE: Duration = Duration::from_millis(6);

const OLD_OUTBOX: &str = "
    INSERT INTO outbox_events (id, subject, event_type, event_version, payload, correlation_id, lane, state,
        published_at, publish_attempts, stream, stream_created_at, stream_seq)
    SELECT gen_random_uuid(), 's', 'old', 1, '{}', gen_random_uuid(), n & 31, 'published', now(), 1, 'OLD',
           '2020-01-01', n
    FROM generate_series(1, 1000000) n";

const OLD_INBOX: &str = "
    INSERT INTO inbox_messages (message_id, consumer, subject, attempts, fence, stream, stream_created_at,
        stream_seq, state, processed_at, lane)
    SELECT gen_random_uuid(), $consumer$, 's', 1, 1, 'OLD', '2020-01-01', n, 'processed', now(), n & 31
    FROM generate_series(1, 1000000) n";

#[tokio::test]
async fn a_million_finished_rows_and_a_transaction_held_open_cost_nothing() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let publisher = world.worker("vibespro").start().await?;
    let consumer = world.worker("sea").handler(&handler).start().await?;
    measure(&world, "vibe_warmed_up").await?;
    let before = measure(&world, "vibe_created").await?;

    // Both pin what can be cleaned up; the first has itself written an event.
    let mut app = world.context("vibespro")?.app_connection().await?;
    let mut writer = app.begin().await?;
    world.emit_within(&mut writer, "vibespro", &Event::new("vibe_late").of("late")).await?;
    let mut other = world.context("sea")?.app_connection().await?;
    let mut reader = other.begin().await?;
    sqlx::query("INSERT INTO aggregates (kind, id, version) VALUES ('k', 'i', 1)")
        .execute(&mut *reader)
        .await?;
    // Dead entries in every index that a claim walks: these have really been through it.
    world.emit_many("vibespro", "vibe_drained", 15_000, 500).await?;
    let replica = "SET session_replication_role = replica; ";
    let old_inbox = OLD_INBOX.replace("$consumer$", &format!("'{}'", world.durable("sea")?));
    let reset = "; SET session_replication_role = origin";
    world.context("vibespro")?.execute(&format!("{replica}{OLD_OUTBOX}{reset}")).await?;
    world.context("sea")?.execute(&format!("{replica}{old_inbox}{reset}")).await?;
    world
        .wait_until("the drained ones are handled", SOON * 4, async || {
            Ok(latencies(&world, "vibe_drained").await?.len() == 15_000)
        })
        .await?;
    let full = measure(&world, "vibe_updated").await?;

    drop((publisher, consumer));
    let _publisher = world.worker("vibespro").start().await?;
    let _consumer = world.worker("sea").handler(&handler).start().await?;
    measure(&world, "vibe_warmed_up").await?;
    let restarted = measure(&world, "vibe_scored").await?;
    let shown = format!("empty {before:?}, full {full:?}, full and restarted {restarted:?}");
    for after in [full, restarted] {
        assert!(after <= before.mul_f64(1.2) + WOBBLE, "commit to effect, median: {shown}");
    }
    writer.commit().await?;
    reader.commit().await?;
    world.settle().await?;
    assert_eq!(latencies(&world, "vibe_created_first").await?.len(), SAMPLES);
    assert_eq!(latencies(&world, "vibe_late").await?.len(), 1);
    Ok(())
}

/// The median from commit to effect, of events that come one by one.
async fn measure(world: &World, name: &str) -> Result<Duration, sea_mq_testkit::TestkitError> {
    let made = |id| format!("SELECT count(*) FROM effects WHERE message_id = '{id}'");
    let mut quickest = Duration::MAX;
    for round in ROUNDS {
        let name = format!("{name}_{round}");
        for n in 0..SAMPLES {
            let id = world.emit("vibespro", Event::new(&name).of(format!("m{n}"))).await?;
            let sql = made(id);
            world
                .wait_until("it is handled", SOON, async || Ok(world.context("sea")?.count(&sql).await? == 1))
                .await?;
        }
        quickest = quickest.min(percentile(&latencies(world, &name).await?, 50));
    }
    Ok(quickest)
}
