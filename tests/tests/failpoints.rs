//! A worker is killed at every named boundary; another carries on; the checker judges.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use futures::StreamExt;
use sea_mq_stack::project_root;
use sea_mq_testkit::failpoints::{FAILPOINTS, Failpoint, Way, names_in_source, visit};
use sea_mq_testkit::{Answer, Event, World, WorldOptions};
use sea_mq_tests::{Outcome, SOON, outbox, retry_parked};
use serde_json::json;

/// Walks that run at a time: each waits for a lease to run out most of the time.
const AT_A_TIME: usize = 4;

#[test]
fn every_failpoint_of_the_source_is_walked() {
    let walked: BTreeSet<String> = FAILPOINTS.iter().map(|failpoint| failpoint.name.to_owned()).collect();
    assert_eq!(walked.len(), FAILPOINTS.len(), "one is listed twice");
    assert_eq!(names_in_source(&project_root()).unwrap(), walked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_at_any_failpoint_breaks_no_promise() {
    let wanted = std::env::var("SEA_MQ_WALK").unwrap_or_default();
    let chosen: Vec<Failpoint> = FAILPOINTS
        .iter()
        .filter(|failpoint| failpoint.way != Way::Command && failpoint.name.contains(&wanted))
        .copied()
        .collect();
    let walks =
        futures::stream::iter(chosen).map(|failpoint| async move { (failpoint, visit(failpoint).await) });
    let failed: Vec<String> = walks
        .buffer_unordered(AT_A_TIME)
        .filter_map(|(failpoint, result)| async move {
            result.err().map(|error| format!("==== {} ====\n{error:?}\n", failpoint.name))
        })
        .collect()
        .await;
    assert!(failed.is_empty(), "{} walks failed\n{}", failed.len(), failed.join("\n"));
}

#[tokio::test]
async fn a_retry_of_a_parked_row_that_dies_half_way_changes_nothing() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let limit = async |bytes| {
        let name = world.context("vibespro").unwrap().name.event_stream();
        let mut config = world.jetstream().get_stream(&name).await.unwrap().cached_info().config.clone();
        config.max_message_size = bytes;
        world.jetstream().update_stream(config).await.unwrap();
    };
    limit(4_000).await;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let _publisher = world.worker("vibespro").start().await?;
    let _consumer = world.worker("sea").handler(&handler).start().await?;
    let large = Event::new("vibe_grown").of("large").payload(json!("x".repeat(8_000)));
    let parked = world.emit("vibespro", large).await?;
    for _ in 0..3 {
        world.emit("vibespro", Event::new("vibe_updated").of("large")).await?;
    }
    world
        .wait_until("three are held behind the parked one", SOON, async || {
            Ok(outbox(&world, "'parked'").await? == 1 && outbox(&world, "'held'").await? == 3)
        })
        .await?;
    limit(-1).await;
    let command =
        retry_parked(&world, parked, &[("SEA_MQ_FAILPOINTS", "outbox.retry.between=crash")]).await?;
    command.wait_for_line("failpoint outbox.retry.between: crash", SOON).await?;
    assert!(!command.wait_within(SOON).await?.success());
    assert_eq!((outbox(&world, "'parked'").await?, outbox(&world, "'held'").await?), (1, 3));
    let again = retry_parked(&world, parked, &[]).await?;
    again.wait_for_line(&format!("put back in line: event {parked} and 3 held behind it"), SOON).await?;
    assert!(again.wait_within(SOON).await?.success());
    let totals = world.check().await?;
    assert_eq!((totals.processed, totals.parked), (4, 0));
    Ok(())
}
