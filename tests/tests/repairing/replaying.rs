//! `sea-mq replay` itself: cut off, disturbed, twice at once, refused.

use sea_mq_stack::free_port;
use sea_mq_testkit::{Answer, ServerChoice, TestkitError, World, WorldOptions};
use sea_mq_tests::{Outcome, SOON, outbox};
use std::collections::BTreeSet;
use std::time::Duration;
use uuid::Uuid;

use super::{Ran, WINDOW, command, consumer, emitted, judged, replay, replay_with, stop, stored, stream};

/// Every failpoint of the command.
#[tokio::test]
async fn a_repair_that_is_cut_off_is_completed_by_the_next() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let _publisher = world.worker("vibespro").start().await?;
    emitted(&world, "vibe_created", 60, 60).await?;
    world.emit_many("vibespro", "vibe_viewed", 20, 0).await?;
    for (name, at) in [("replay.send.before", 30), ("replay.ack.after", 30), ("replay.mark.after", 1)] {
        world
            .wait_until("all are published", SOON, async || Ok(outbox(&world, "'published'").await? == 80))
            .await?;
        world.jetstream().delete_stream(stream(&world)).await.unwrap();
        world.apply_topology().await?;
        let failpoints = format!("{name}={at}*crash");
        let killed = replay_with(&world, &[], &[("SEA_MQ_FAILPOINTS", &failpoints)]).await;
        assert_eq!(killed.code, None, "{name}: {killed:?}");
        assert!(killed.err.contains(&format!("failpoint {name}: crash")), "{killed:?}");
        // The second life meets errors at the same place, and gets over those of the broker.
        let failpoints = format!("{name}=2*error");
        let again = replay_with(&world, &[], &[("SEA_MQ_FAILPOINTS", &failpoints)]).await;
        let done: BTreeSet<Uuid> = again.ids("republished").union(&again.ids("found")).copied().collect();
        let in_first_life = if name == "replay.mark.after" { 80 } else { 0 };
        assert_eq!(done.len() + in_first_life, 80, "{name}: {again:?}");
        assert_eq!(stored(&world).await?, 80, "{name}: each once");
    }
    let _consumer = consumer(&world, &handler).await?;
    // In order: nobody had any of them before.
    let totals = world.check().await?;
    assert_eq!((totals.processed, totals.effects), (80, 80));
    Ok(())
}

/// Runs the command over an empty stream, and does something to it once so many are put back.
async fn disturbed(
    world: &mut World,
    after: u64,
    disturb: impl AsyncFnOnce(&mut World) -> Outcome,
) -> Result<Ran, TestkitError> {
    let mut slow = command(world, &["--rate", "100"], &[])?;
    let running = tokio::spawn(async move { slow.output().await.unwrap() });
    world.wait_until("some are put back", SOON, async || Ok(stored(world).await? >= after)).await?;
    assert!(!running.is_finished());
    disturb(world).await?;
    Ok(Ran::of(running.await.unwrap()))
}

#[tokio::test]
async fn an_election_does_not_stop_a_repair_and_a_recreation_does() -> Outcome {
    let mut world =
        World::start(WorldOptions { servers: ServerChoice::Own(3), ..WorldOptions::default() }).await?;
    let publisher = world.worker("vibespro").start().await?;
    emitted(&world, "vibe_created", 300, 300).await?;
    stop(publisher).await?;
    let make_anew = async |world: &mut World| {
        world.jetstream().delete_stream(stream(world)).await.unwrap();
        world.apply_topology().await?;
        // What an election leaves remembered and not stored is put back after this time.
        world.configure_stream("vibespro", |config| config.duplicate_window = WINDOW).await
    };
    make_anew(&mut world).await?;
    let name = stream(&world);
    let ran = disturbed(&mut world, 50, async |world| {
        let leader = world.nats()?.stream_leader(&name).await.unwrap();
        world.nats()?.node(leader).kill().await;
        Ok(world.nats()?.restart().await?)
    });
    let ran = ran.await?;
    let done: BTreeSet<Uuid> = ran.ids("republished").union(&ran.ids("found")).copied().collect();
    assert_eq!((done.len(), stored(&world).await?), (300, 300), "each once: {ran:?}");

    make_anew(&mut world).await?;
    // It may have marked some, and may also meet the moment in which there is no stream.
    let stopped = disturbed(&mut world, 50, make_anew).await?;
    assert!(matches!(stopped.code, Some(1 | 3)), "{stopped:?}");
    assert!(
        stopped.err.contains("was recreated") || stopped.err.contains("there is no stream"),
        "{stopped:?}"
    );
    let last = replay(&world, &[]).await;
    assert_eq!((last.code, stored(&world).await?), (Some(0), 300), "{last:?}");
    Ok(())
}

#[tokio::test]
async fn an_error_of_the_database_leaves_it_to_the_next_run() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let _publisher = world.worker("vibespro").start().await?;
    emitted(&world, "vibe_created", 30, 30).await?;
    world.jetstream().delete_stream(stream(&world)).await.unwrap();
    world.apply_topology().await?;
    let failed = replay_with(&world, &[], &[("SEA_MQ_FAILPOINTS", "replay.mark.after=error")]).await;
    failed.refused(1, "failpoint");
    assert_eq!(replay(&world, &[]).await.ids("republished").len(), 0);
    assert_eq!(stored(&world).await?, 30);
    Ok(())
}

#[tokio::test]
async fn two_repairs_at_once_store_nothing_twice() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let _publisher = world.worker("vibespro").start().await?;
    emitted(&world, "vibe_created", 300, 300).await?;
    world.jetstream().delete_stream(stream(&world)).await.unwrap();
    world.apply_topology().await?;
    let (one, other) = tokio::join!(replay(&world, &[]), replay(&world, &[]));
    let done: BTreeSet<Uuid> =
        [one.ids("republished"), one.ids("found"), other.ids("republished")].into_iter().flatten().collect();
    assert_eq!((done.len(), stored(&world).await?), (300, 300));
    let _consumer = consumer(&world, &handler).await?;
    let totals = judged(&world, done).await?;
    assert_eq!((totals.processed, totals.effects), (300, 300));
    Ok(())
}

#[tokio::test]
async fn a_wrong_order_is_refused_with_the_way_out() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let (own, other) = (world.context("vibespro")?, world.context("sea")?);
    let wrong_context = replay_with(&world, &[], &[("CONTEXT", other.name.as_str())]).await;
    wrong_context.refused(64, &format!("as {}_worker", other.name));
    replay(&world, &["--stream", "NOWHERE"]).await.refused(1, "there is no stream NOWHERE");
    replay_with(&world, &[], &[("DB_URL", &own.urls.app)])
        .await
        .refused(77, &format!("as {}_worker", own.name));
    let closed = format!("nats://127.0.0.1:{}", free_port()?);
    replay(&world, &["--nats-servers", &closed]).await.refused(69, "no NATS server can be reached");
    replay(&world, &["--since", "yesterday"]).await.refused(2, "neither a time");
    replay(&world, &["--subject", "a..b"]).await.refused(2, "not a subject filter");
    let nothing = replay(&world, &[]).await;
    assert!(nothing.ids("republished").is_empty(), "an empty outbox has lost nothing");
    Ok(())
}

#[tokio::test]
async fn only_a_user_who_may_read_and_publish_repairs() -> Outcome {
    let options =
        WorldOptions { servers: ServerChoice::OwnWithUsers(1, |users| users), ..WorldOptions::default() };
    let world = World::start(options).await?;
    let _publisher = world.worker("vibespro").start().await?;
    emitted(&world, "vibe_created", 10, 10).await?;
    world.jetstream().delete_stream(stream(&world)).await.unwrap();
    world.apply_topology().await?;
    emitted(&world, "vibe_updated", 10, 20).await?;
    let as_user = async |user: &str| {
        let password = format!("secret-of-{user}");
        replay_with(&world, &[], &[("NATS_USER", user), ("NATS_PASSWORD", &password)]).await
    };
    for user in ["vibespro", "provision"] {
        as_user(user).await.refused(77, "NATS_USER=operator");
    }
    assert_eq!(as_user("operator").await.ids("republished").len(), 10);
    Ok(())
}

/// The publisher died before it could mark what was stored, and by then the stream has lost it.
#[tokio::test]
async fn a_duplicate_of_what_is_gone_does_not_count_for_the_publisher_either() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    // Whoever starts later finds a stream that is not as declared, and refuses it: the heir sleeps meanwhile.
    let mut heir = world.worker("vibespro").start().await?;
    heir.freeze().await?;
    let dying = world.worker("vibespro").env("SEA_MQ_FAILPOINTS", "publish.ack.after=2*crash");
    let victim = dying.start().await?;
    // Before the first id: the server looks for the next time after the window that it knows by then.
    world.configure_stream("vibespro", |config| config.duplicate_window = Duration::from_secs(15)).await?;
    emitted(&world, "vibe_created", 1, 1).await?;
    world.emit_many("vibespro", "vibe_updated", 1, 1).await?;
    victim.wait_for_line("failpoint publish.ack.after: crash", SOON).await?;
    assert_eq!(stored(&world).await?, 2);
    // The stream still begins before it.
    world.jetstream().get_stream(stream(&world)).await.unwrap().delete_message(2).await.unwrap();
    heir.thaw().await?;
    heir.wait_for_line("that it does not hold there", SOON).await?;
    assert_eq!(outbox(&world, "'published'").await?, 1);
    let _consumer = consumer(&world, &handler).await?;
    let totals = world.check().await?;
    assert_eq!((totals.published, totals.processed, totals.effects), (2, 2, 2));
    Ok(())
}

#[tokio::test]
async fn what_an_inbox_may_have_forgotten_is_not_published_again() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let _publisher = world.worker("vibespro").start().await?;
    emitted(&world, "vibe_created", 5, 5).await?;
    emitted(&world, "vibe_updated", 5, 10).await?;
    // 31 days that every inbox keeps it, less the 7 that the stream may.
    let age = "UPDATE outbox_events SET recorded_at = clock_timestamp() - interval '25 days'
               WHERE event_type = 'vibe_created'";
    assert_eq!(world.context("vibespro")?.execute(age).await?, 5);
    world.jetstream().delete_stream(stream(&world)).await.unwrap();
    world.apply_topology().await?;
    let repaired = replay(&world, &["--since", "30d"]).await;
    repaired.refused(3, "5 events");
    assert_eq!(repaired.json()["too_old"], 5);
    assert_eq!((repaired.json()["republished"].as_array().unwrap().len(), stored(&world).await?), (5, 5));
    Ok(())
}
