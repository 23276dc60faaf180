//! From a committed row to the stream.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use sea_mq_testkit::{Answer, Event, ServerChoice, World, WorldOptions};
use sea_mq_tests::{Outcome, SOON, outbox, retry_parked};
use serde_json::json;
use sqlx::Connection;
use time::OffsetDateTime;

#[tokio::test]
async fn what_was_committed_is_handled_once_and_in_order() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let _publisher = world.worker("vibespro").start().await?;
    let _consumer = world.worker("sea").handler(&handler).start().await?;
    world.emit_many("vibespro", "vibe_created", 500, 20).await?;
    world.emit_many("vibespro", "vibe_viewed", 100, 0).await?;
    let cause = world.emit("vibespro", Event::new("vibe_created").of("x")).await?;
    world.emit("vibespro", Event::new("vibe_scored").of("x").caused_by(cause, cause)).await?;
    let totals = world.check().await?;
    assert_eq!((totals.committed, totals.processed, totals.effects), (602, 602, 602));
    let called = handler.calls_of(cause);
    assert_eq!(called.len(), 1);
    let call = &called[0].call;
    assert_eq!((call.attempt, call.event_type.as_str(), call.event_version), (1, "vibe_created", 1));
    assert_eq!((call.correlation_id, call.causation_id), (cause, None));
    assert_eq!(call.aggregate_id.as_deref(), Some("x"));
    assert!(call.occurred_at.is_some());
    Ok(())
}

#[tokio::test]
async fn a_transaction_that_commits_late_is_not_skipped() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let mut publisher = world.worker("vibespro").start().await?;
    let _consumer = world.worker("sea").handler(&handler).start().await?;
    let mut late = world.context("vibespro")?.app_connection().await?;
    let mut later = world.context("vibespro")?.app_connection().await?;
    let mut first = late.begin().await?;
    let mut second = later.begin().await?;
    world.emit_within(&mut first, "vibespro", &Event::new("vibe_created").of("late")).await?;
    world.emit_within(&mut second, "vibespro", &Event::new("vibe_created").of("later")).await?;
    world.emit_many("vibespro", "vibe_updated", 300, 10).await?;
    world
        .wait_until(
            "the others are published",
            SOON,
            async || Ok(outbox(&world, "'published'").await? == 300),
        )
        .await?;
    first.commit().await?;
    world
        .wait_until("the late one is published", SOON, async || {
            Ok(outbox(&world, "'published'").await? == 301)
        })
        .await?;
    // The second stays open over the end of the worker that has seen everything above it.
    publisher.kill().await;
    let _heir = world.worker("vibespro").start().await?;
    world.emit_many("vibespro", "vibe_updated", 300, 10).await?;
    world
        .wait_until(
            "the others are published",
            SOON,
            async || Ok(outbox(&world, "'published'").await? == 601),
        )
        .await?;
    second.commit().await?;
    let totals = world.check().await?;
    assert_eq!(totals.processed, 602);
    Ok(())
}

#[tokio::test]
async fn a_publisher_killed_between_publish_and_mark_publishes_nothing_twice() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let _consumer = world.worker("sea").handler(&handler).start().await?;
    let victim =
        world.worker("vibespro").env("SEA_MQ_FAILPOINTS", "outbox.mark.before=crash").launch().await?;
    world.emit_many("vibespro", "vibe_created", 200, 10).await?;
    victim.wait_for_line("failpoint outbox.mark.before: crash", SOON).await?;
    let _heir = world.worker("vibespro").start().await?;
    let totals = world.check().await?;
    assert_eq!((totals.streamed, totals.processed, totals.effects), (200, 200, 200));
    let sea = world.context("sea")?;
    assert_eq!(sea.count("SELECT max(attempts)::bigint FROM inbox_messages").await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_scheduled_event_waits_holds_back_nothing_and_joins_when_due() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let _publisher = world.worker("vibespro").start().await?;
    let _consumer = world.worker("sea").handler(&handler).start().await?;
    let in_millis = |ms| OffsetDateTime::now_utc() + Duration::from_millis(ms);
    let second = world.emit("vibespro", Event::new("vibe_planned").of("a").after(in_millis(1500))).await?;
    let first = world.emit("vibespro", Event::new("vibe_planned").of("a").after(in_millis(1000))).await?;
    let now = world.emit("vibespro", Event::new("vibe_created").of("a")).await?;
    world.check().await?;
    let order: Vec<_> = handler.calls().iter().map(|record| record.call.message_id).collect();
    assert_eq!(order, [now, first, second]);
    let early = "SELECT count(*) FROM outbox_events WHERE published_at < publish_after";
    assert_eq!(world.context("vibespro")?.count(early).await?, 0);
    Ok(())
}

#[tokio::test]
async fn what_the_broker_refuses_for_good_holds_back_its_own_aggregate_until_it_is_retried() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    world.configure_stream("vibespro", |config| config.max_message_size = 4_000).await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let publisher = world.worker("vibespro").start().await?;
    let _consumer = world.worker("sea").handler(&handler).start().await?;
    let large = Event::new("vibe_grown").of("large").payload(json!("x".repeat(8_000)));
    let parked = world.emit("vibespro", large).await?;
    for _ in 0..5 {
        world.emit("vibespro", Event::new("vibe_updated").of("large")).await?;
    }
    world.emit_many("vibespro", "vibe_created", 50, 5).await?;
    world
        .wait_until("one is parked and the five behind it are held", SOON, async || {
            Ok(outbox(&world, "'parked'").await? == 1
                && outbox(&world, "'held'").await? == 5
                && outbox(&world, "'published'").await? == 50)
        })
        .await?;
    world
        .wait_until("the metric shows it", SOON, async || {
            Ok(publisher.metric("outbox_parked_count").await == Some(1.0))
        })
        .await?;
    world.configure_stream("vibespro", |config| config.max_message_size = -1).await?;
    let retry = retry_parked(&world, parked, &[]).await?;
    retry.wait_for_line("and 5 held behind it", SOON).await?;
    assert!(retry.wait_within(SOON).await?.success());
    let totals = world.check().await?;
    assert_eq!((totals.processed, totals.parked), (56, 0));
    Ok(())
}

/// A sweep of all lanes, which finds them in any case, takes a minute.
#[tokio::test]
async fn what_could_not_be_held_is_held_soon() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    world.configure_stream("vibespro", |config| config.max_message_size = 4_000).await?;
    let large = Event::new("vibe_grown").of("big").payload(json!("x".repeat(8_000)));
    let mut events = vec![large];
    events.extend((0..5).map(|_| Event::new("vibe_updated").of("big")));
    world.emit_all("vibespro", &events).await?;
    let publisher = world.worker("vibespro").env("SEA_MQ_FAILPOINTS", "outbox.hold.before=1*error");
    let publisher = publisher.launch().await?;
    publisher.wait_for_line("could not be held yet", SOON).await?;
    let held = async || Ok(outbox(&world, "'held'").await? == 5);
    world.wait_until("the five behind the parked one are held", Duration::from_secs(3), held).await?;
    assert_eq!(outbox(&world, "'parked'").await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_full_stream_is_an_outage_and_parks_nothing() -> Outcome {
    let options = WorldOptions { max_bytes: 1_048_576, ..WorldOptions::default() };
    let world = World::start(options).await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let publisher = world.worker("vibespro").start().await?;
    let _consumer = world.worker("sea").handler(&handler).start().await?;
    // nats-server 2.10 keeps the ids of what it had no room for as long as those of what it stored.
    world.configure_stream("vibespro", |config| config.duplicate_window = Duration::from_secs(2)).await?;
    let body = json!("x".repeat(8_000));
    for n in 0..40 {
        let events: Vec<Event> = (0..5)
            .map(|_| Event::new("vibe_created").of(format!("a{}", n % 7)).payload(body.clone()))
            .collect();
        world.emit_all("vibespro", &events).await?;
    }
    world
        .wait_until("the stream is full", SOON, async || {
            let failures = publisher.metric("publish_failures_total").await.unwrap_or(0.0);
            Ok(failures > 0.0 && outbox(&world, "'ready'").await? > 0)
        })
        .await?;
    assert_eq!(outbox(&world, "'parked', 'held'").await?, 0);
    assert!(!publisher.metrics().await.is_empty());
    world.configure_stream("vibespro", |config| config.max_bytes = 50_000_000).await?;
    let totals = world.check().await?;
    assert_eq!(totals.processed, 200);
    Ok(())
}

#[tokio::test]
async fn a_denied_permission_is_an_outage_and_is_named() -> Outcome {
    let deny = |users: String| users.replace("\"vibespro.event.>\"", "\"vibespro.nothing.>\"");
    let options = WorldOptions { servers: ServerChoice::OwnWithUsers(1, deny), ..WorldOptions::default() };
    let mut world = World::start(options).await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let publisher = world.worker("vibespro").launch().await?;
    let _consumer = world.worker("sea").handler(&handler).launch().await?;
    world.emit_many("vibespro", "vibe_created", 20, 5).await?;
    publisher.wait_for_line("vibespro.event.", SOON).await?;
    world
        .wait_until("the denial is counted", SOON, async || {
            Ok(publisher.metric("publish_failures_total").await.unwrap_or(0.0) > 0.0)
        })
        .await?;
    assert_eq!(outbox(&world, "'ready'").await?, 20);
    // The operator corrects the users, and the servers read them anew.
    let users = world.state().path().join("nats-conf/users.conf");
    let text = std::fs::read_to_string(&users).unwrap();
    std::fs::write(&users, text.replace("vibespro.nothing.>", "vibespro.event.>")).unwrap();
    const RELOAD: u8 = 1;
    world.nats()?.node(0).process().signal(RELOAD).await?;
    let totals = world.check().await?;
    assert_eq!((totals.processed, totals.parked), (20, 0));
    Ok(())
}

#[tokio::test]
async fn sigterm_under_load_ends_with_zero_and_loses_nothing() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let publisher = world.worker("vibespro").start().await?;
    let consumer = world.worker("sea").handler(&handler).start().await?;
    world.emit_many("vibespro", "vibe_created", 3_000, 40).await?;
    world
        .wait_until("both are in the midst of it", SOON, async || {
            Ok(outbox(&world, "'published'").await? > 100 && !handler.calls().is_empty())
        })
        .await?;
    for worker in [&publisher, &consumer] {
        worker.terminate().await?;
    }
    for worker in [&publisher, &consumer] {
        let status = worker.wait_within(SOON).await?;
        assert!(status.success(), "{} ended with {status}", worker.name());
    }
    let left =
        world.context("sea")?.count("SELECT count(*) FROM inbox_messages WHERE state = 'running'").await?;
    assert_eq!(left, 0, "an attempt was left open");
    let _publisher = world.worker("vibespro").start().await?;
    let _consumer = world.worker("sea").handler(&handler).start().await?;
    let totals = world.check().await?;
    assert_eq!(totals.processed, 3_000);
    let sea = world.context("sea")?;
    assert_eq!(sea.count("SELECT max(attempts)::bigint FROM inbox_messages").await?, 1);
    Ok(())
}
