//! Events that fail stand in the way of no others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sea_mq_testkit::{Answer, EffectMode, Event, WorldOptions};
use sea_mq_tests::{Outcome, SOON, inbox, latencies, percentile};

use super::{Flow, flow, flow_with, reason, tell, told};

/// The latencies of healthy events beside failing ones. Whoever waited for those would have waited
/// for their retries; what a busy machine takes is left to it.
fn not_held_up(healthy: &[Duration]) {
    let (half, most) = (percentile(healthy, 50), percentile(healthy, 99));
    assert!(
        half < Duration::from_secs(1) && most < Duration::from_secs(4),
        "healthy: {half:?}, p99 {most:?}"
    );
}

#[tokio::test]
async fn an_event_that_kills_its_handler_is_called_alone_and_harms_no_other() -> Outcome {
    let Flow { world, handler, publisher: _p, consumer: _c } =
        flow(EffectMode::Joined, &[], |call| match told(call) {
            Some("kill") => Answer::Die,
            Some(_) | None => Answer::Handle,
        })
        .await?;
    let killer = world.emit("vibespro", tell("vibe_scored", "killer", "kill")).await?;
    world.emit_many("vibespro", "vibe_created", 400, 50).await?;
    let totals = world.check().await?;
    assert_eq!((totals.processed, totals.dead), (400, 1));
    assert_eq!(reason(&world, killer).await?.as_deref(), Some("max_deliver"));
    for record in handler.calls_of(killer).iter().skip(1) {
        let beside = handler.beside(record);
        assert!(beside.is_empty(), "attempt {} ran beside {} others", record.call.attempt, beside.len());
    }
    Ok(())
}

#[tokio::test]
async fn a_handler_that_is_away_for_long_dead_letters_nothing() -> Outcome {
    let options =
        WorldOptions { ack_wait: Duration::from_secs(1), max_deliver: 2, ..WorldOptions::default() };
    let Flow { world, mut handler, publisher: _p, consumer } =
        flow_with(options, EffectMode::Joined, &[("INBOX_WINDOW", "100")], |_| Answer::Handle).await?;
    handler.stop().await;
    world.emit_many("vibespro", "vibe_created", 300, 20).await?;
    world
        .wait_until("the lag shows in the broker", SOON, async || {
            Ok(consumer.metric("jetstream_consumer_num_pending").await.unwrap_or(0.0) >= 100.0)
        })
        .await?;
    let away = Instant::now();
    world
        .wait_until("more than all deliveries' time has passed", SOON, async || {
            Ok(away.elapsed() > Duration::from_secs(3))
        })
        .await?;
    assert_eq!(inbox(&world, "'dead', 'dying'").await?, 0);
    handler.listen().await?;
    let totals = world.check().await?;
    assert_eq!((totals.processed, totals.dead), (300, 0));
    assert_eq!(world.context("sea")?.count("SELECT max(attempts)::bigint FROM inbox_messages").await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_type_of_events_that_fails_for_long_uses_up_no_backlog() -> Outcome {
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = Arc::clone(&broken);
    let Flow { world, handler, publisher: _p, consumer: _c } = flow(EffectMode::Joined, &[], move |call| {
        let fails = call.event_type == "vibe_scored" && is_broken.load(Ordering::Relaxed);
        if fails { Answer::Status(500) } else { Answer::Handle }
    })
    .await?;
    world.emit_many("vibespro", "vibe_scored", 1_000, 1_000).await?;
    let (began, emitted) = (Instant::now(), AtomicUsize::new(0));
    world
        .wait_until("it has failed for long", SOON, async || {
            world.emit("vibespro", Event::new("vibe_created")).await?;
            emitted.fetch_add(1, Ordering::Relaxed);
            Ok(began.elapsed() > Duration::from_secs(8))
        })
        .await?;
    let calls = handler.calls().iter().filter(|record| record.call.event_type == "vibe_scored").count();
    // Without restraint it would have been five attempts for each of a thousand.
    assert!((10..600).contains(&calls), "{calls} calls of the failing type");
    let emitted = emitted.load(Ordering::Relaxed);
    world
        .wait_until("the healthy ones are processed, the others failing still", SOON, async || {
            Ok(latencies(&world, "vibe_created").await?.len() == emitted)
        })
        .await?;
    not_held_up(&latencies(&world, "vibe_created").await?);
    broken.store(false, Ordering::Relaxed);
    let totals = world.check().await?;
    assert!(totals.dead < 50, "{} of 1000 were given up", totals.dead);
    Ok(())
}

#[tokio::test]
async fn a_hundred_failing_events_do_not_hold_up_the_healthy_ones() -> Outcome {
    let Flow { world, handler: _h, publisher: _p, consumer: _c } =
        flow(EffectMode::Joined, &[], |call| match told(call) {
            Some("fail") => Answer::Status(500),
            Some(_) | None => Answer::Handle,
        })
        .await?;
    for n in 0..100 {
        world.emit("vibespro", tell("vibe_created", &format!("bad-{n}"), "fail")).await?;
        for k in 0..3 {
            world
                .emit("vibespro", Event::new("vibe_created").of(format!("good-{}", (n * 3 + k) % 40)))
                .await?;
        }
    }
    let totals = world.check().await?;
    assert_eq!((totals.processed, totals.dead), (300, 100));
    let healthy = latencies(&world, "vibe_created").await?;
    assert_eq!(healthy.len(), 300);
    not_held_up(&healthy);
    Ok(())
}

#[tokio::test]
async fn a_failing_aggregate_with_a_thousand_successors_stands_alone() -> Outcome {
    let heals = Arc::new(AtomicBool::new(false));
    let healed = Arc::clone(&heals);
    // So many attempts that the aggregate is still blocked at the end.
    let options = WorldOptions { max_deliver: 50, ..WorldOptions::default() };
    let Flow { world, handler: _h, publisher: _p, consumer: _c } =
        flow_with(options, EffectMode::Joined, &[("INBOX_WINDOW", "100")], move |call| match told(call) {
            Some("fail") if !healed.load(Ordering::Relaxed) => Answer::Status(500),
            Some(_) | None => Answer::Handle,
        })
        .await?;
    let head = world.emit("vibespro", tell("vibe_scored", "blocked", "fail")).await?;
    let events: Vec<Event> = (0..1_000).map(|_| Event::new("vibe_updated").of("blocked")).collect();
    world.emit_all("vibespro", &events).await?;
    for n in 0..200 {
        world.emit("vibespro", Event::new("vibe_created").of(format!("good-{}", n % 20))).await?;
    }
    world
        .wait_until("the healthy ones are processed", SOON, async || {
            Ok(latencies(&world, "vibe_created").await?.len() == 200)
        })
        .await?;
    assert_eq!(latencies(&world, "vibe_updated").await?.len(), 0, "the successors wait for {head}");
    let healthy = latencies(&world, "vibe_created").await?;
    not_held_up(&healthy);
    heals.store(true, Ordering::Relaxed);
    let totals = world.check().await?;
    assert_eq!(totals.processed, 1_201);
    Ok(())
}
