//! A stream loses messages, and those who consume it say so.

use async_nats::jetstream::consumer::AckPolicy;
use async_nats::jetstream::consumer::pull;
use sea_mq_testkit::{
    Answer, ServerChoice, TestHandler, TestkitError, WorkerProcess, World, WorldOptions, check,
};
use sea_mq_tests::{Outcome, SOON, inbox};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{WINDOW, consumer, emitted, judged, purge, replay, stop, stored, stream, tells};

#[tokio::test]
async fn a_purge_of_what_was_not_consumed_is_noticed_and_repaired() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let _publisher = world.worker("vibespro").start().await?;
    world.configure_stream("vibespro", |config| config.duplicate_window = WINDOW).await?;
    let first = consumer(&world, &handler).await?;
    emitted(&world, "vibe_created", 20, 20).await?;
    world.check().await?;
    stop(first).await?;
    emitted(&world, "vibe_updated", 40, 60).await?;
    purge(&world).await;

    // The stream still answers "duplicate" for all of them.
    let repair = replay(&world, &[]);
    let notice = async {
        let second = consumer(&world, &handler).await?;
        let line = tells(&world, &second, 1.0).await?;
        assert!(line.contains("messages were gone from the stream") && line.contains("21-60"), "{line}");
        Ok::<_, TestkitError>(second)
    };
    let (repaired, second) = tokio::join!(repair, notice);
    let second = second?;
    assert!(repaired.err.contains("answers \"duplicate\" for events that it does not hold"), "{repaired:?}");
    let replayed = repaired.ids("republished");
    assert_eq!((replayed.len(), stored(&world).await?), (60, 60));

    let totals = judged(&world, replayed).await?;
    assert_eq!((totals.processed, totals.effects, totals.dead), (60, 60, 0));
    let again = replay(&world, &[]).await;
    assert!(again.ids("republished").is_empty(), "{again:?}");
    assert_eq!(second.metric("stream_dropped_total").await, Some(1.0), "once");
    Ok(())
}

#[tokio::test]
async fn a_stream_made_anew_is_filled_again() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let publisher = world.worker("vibespro").start().await?;
    let first = consumer(&world, &handler).await?;
    emitted(&world, "vibe_created", 30, 30).await?;
    world.check().await?;
    stop(first).await?;
    emitted(&world, "vibe_updated", 30, 60).await?;
    world.jetstream().delete_stream(stream(&world)).await.unwrap();
    world.apply_topology().await?;
    let second = consumer(&world, &handler).await?;
    let source = &world.context("vibespro")?.name;
    for worker in [&second, &publisher] {
        let line = worker.wait_for_line("stream was recreated", SOON).await?;
        assert!(line.contains(&format!("sea-mq replay --context {source}")), "{line}");
    }

    let dry = replay(&world, &["--dry-run"]).await;
    let missing = &dry.json()["missing"];
    assert_eq!(missing["former_stream"], 60, "{dry:?}");
    assert_eq!((missing["ids"].as_array().unwrap().len(), stored(&world).await?), (60, 0));
    let places = "SELECT count(DISTINCT stream_created_at) FROM outbox_events";
    assert_eq!(world.context("vibespro")?.count(places).await?, 1, "nothing was changed");

    // A part, and then the rest.
    let some = format!("{source}.event.vibe_updated.*");
    let mut replayed = replay(&world, &["--subject", &some, "--rate", "100"]).await.ids("republished");
    assert_eq!(replayed.len(), 30);
    assert!(replay(&world, &["--since", "0s"]).await.ids("republished").is_empty(), "later than any");
    replayed.extend(replay(&world, &["--since", "1h"]).await.ids("republished"));
    assert_eq!((replayed.len(), stored(&world).await?), (60, 60));
    let totals = judged(&world, replayed).await?;
    assert_eq!((totals.processed, totals.effects), (60, 60));
    assert_eq!(second.metric("stream_dropped_total").await, None);
    Ok(())
}

#[tokio::test]
async fn messages_that_were_deleted_one_by_one_are_noticed_and_put_back() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let _publisher = world.worker("vibespro").start().await?;
    world.configure_stream("vibespro", |config| config.duplicate_window = Duration::from_secs(1)).await?;
    let first = consumer(&world, &handler).await?;
    emitted(&world, "vibe_created", 10, 10).await?;
    world.check().await?;
    stop(first).await?;
    emitted(&world, "vibe_updated", 20, 30).await?;
    let found = world.jetstream().get_stream(stream(&world)).await.unwrap();
    for seq in [13, 14, 17, 30] {
        found.delete_message(seq).await.unwrap();
    }
    let second = consumer(&world, &handler).await?;
    let line = second.wait_for_line("messages were gone from the stream", SOON).await?;
    assert!(line.contains("13-14, 17"), "{line}");
    // Nothing comes after the last one that would show that it is missing.
    world
        .wait_until("all losses are counted", SOON, async || {
            let of_consumer = "SELECT max(recorded_seq) FROM inbox_streams";
            Ok(world.context("sea")?.count(of_consumer).await? == 30)
        })
        .await?;
    let replayed = replay(&world, &[]).await.ids("republished");
    assert_eq!((replayed.len(), stored(&world).await?), (4, 30));
    let totals = judged(&world, replayed).await?;
    assert_eq!((totals.processed, totals.effects), (30, 30));
    Ok(())
}

#[tokio::test]
async fn what_was_recorded_may_grow_too_old_without_a_word() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let _publisher = world.worker("vibespro").start().await?;
    let first = consumer(&world, &handler).await?;
    // Before the first id: the server looks for the next time after the window that it knows by then.
    world.configure_stream("vibespro", |config| config.duplicate_window = Duration::from_secs(1)).await?;
    emitted(&world, "vibe_created", 20, 20).await?;
    world.check().await?;
    let mut kept = Duration::ZERO;
    world
        .configure_stream("vibespro", |config| {
            kept = config.max_age;
            config.max_age = Duration::from_secs(1);
        })
        .await?;
    world.wait_until("all are too old", SOON, async || Ok(stored(&world).await? == 0)).await?;
    world.configure_stream("vibespro", |config| config.max_age = kept).await?;
    emitted(&world, "vibe_updated", 20, 40).await?;
    world.settle().await?;
    // Nor after a restart.
    let second = consumer(&world, &handler).await?;
    stop(first).await?;
    emitted(&world, "vibe_scored", 20, 60).await?;
    world.settle().await?;
    assert_eq!(inbox(&world, "'processed'").await?, 60);
    assert_eq!(second.metric("stream_dropped_total").await, None);
    // They are missing all the same, for whoever subscribes later.
    assert_eq!(replay(&world, &[]).await.ids("republished").len(), 20);
    Ok(())
}

/// Of a stream that others use as well nobody can say what its lost messages were.
#[tokio::test]
async fn a_narrow_subscription_is_told_of_what_it_may_have_lost_and_of_nothing_else() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let subscription = narrow_subscription(&world).await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let _publisher = world.worker("vibespro").start().await?;
    let narrow = async || consumer_of(&world, &handler, &subscription).await;
    let processed = async |count: i64| {
        let look = async || Ok(inbox(&world, "'processed'").await? == count);
        world.wait_until("its own are processed", SOON, look).await
    };
    let first = narrow().await?;
    emitted(&world, "vibe_created", 10, 10).await?;
    emitted(&world, "vibe_updated", 30, 40).await?;
    processed(10).await?;
    world
        .wait_until("it knows that the others are none of its own", SOON, async || {
            Ok(world.context("sea")?.count("SELECT max(recorded_seq) FROM inbox_streams").await? == 40)
        })
        .await?;
    purge(&world).await;
    emitted(&world, "vibe_created", 1, 41).await?;
    processed(11).await?;
    assert_eq!(first.metric("stream_dropped_total").await, None);
    stop(first).await?;
    emitted(&world, "vibe_created", 5, 46).await?;
    purge(&world).await;
    let second = narrow().await?;
    let line = tells(&world, &second, 1.0).await?;
    assert!(line.contains("messages for this consumer may be gone") && line.contains("42-46"), "{line}");
    Ok(())
}

/// A durable of `sea` for one event of `vibespro` alone, and what a worker needs to know of it.
async fn narrow_subscription(world: &World) -> Result<[(&'static str, String); 2], TestkitError> {
    let (own, source) = (&world.context("sea")?.name, &world.context("vibespro")?.name);
    let (durable, filter) = (format!("{own}__narrow"), format!("{source}.event.vibe_created.v1"));
    let options = WorldOptions::default();
    let config = pull::Config {
        durable_name: Some(durable.clone()),
        filter_subject: filter.clone(),
        ack_policy: AckPolicy::Explicit,
        ack_wait: options.ack_wait,
        max_deliver: options.max_deliver.into(),
        max_ack_pending: options.max_ack_pending.into(),
        metadata: [("sea-mq.context".to_owned(), own.to_string())].into(),
        ..pull::Config::default()
    };
    let found = world.jetstream().get_stream(stream(world)).await.unwrap();
    found.create_consumer(config).await.unwrap();
    Ok([("CONSUMER_DURABLE", durable), ("CONSUME_SUBJECT", filter)])
}

async fn consumer_of(
    world: &World,
    handler: &TestHandler,
    subscription: &[(&'static str, String)],
) -> Result<WorkerProcess, TestkitError> {
    let worker = world.worker("sea").handler(handler);
    subscription.iter().fold(worker, |worker, (name, value)| worker.env(name, value)).start().await
}

#[tokio::test]
async fn a_new_leader_that_holds_something_else_is_noticed() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    noticed_under_a_new_leader(&world, &[]).await
}

#[tokio::test]
async fn a_narrow_subscription_notices_a_new_leader_that_holds_something_else() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let subscription = narrow_subscription(&world).await?;
    noticed_under_a_new_leader(&world, &subscription).await
}

/// Whoever consumes a whole stream compares what he may read singly, a permission that not every deployment
/// has given yet.
#[tokio::test]
async fn a_new_leader_is_noticed_without_the_right_to_read_single_messages() -> Outcome {
    let deny = |users: String| {
        assert!(users.contains("$JS.API.STREAM.MSG.GET."), "{users}");
        users.replace("$JS.API.STREAM.MSG.GET.", "$JS.API.STREAM.MSG.NOT.")
    };
    let options = WorldOptions { servers: ServerChoice::OwnWithUsers(3, deny), ..WorldOptions::default() };
    noticed_under_a_new_leader(&World::start(options).await?, &[]).await
}

/// The stream changes its leader, and nothing else is disturbed. What the new one holds and the former did
/// not is, for the consumer, a message that its inbox does not know.
async fn noticed_under_a_new_leader(world: &World, subscription: &[(&'static str, String)]) -> Outcome {
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let _publisher = world.worker("vibespro").start().await?;
    let consumer = consumer_of(world, &handler, subscription).await?;
    let processed = async |count: i64| {
        let look = async || Ok(inbox(world, "'processed'").await? == count);
        world.wait_until("all are processed", SOON, look).await
    };
    let noticed =
        async || consumer.wait_for_line("the stream holds other messages than were recorded", SOON).await;
    for round in 0..5 {
        let mut count = 80 * round + 40;
        emitted(world, "vibe_created", 40, count).await?;
        processed(count).await?;
        forgotten(world, count - 5).await?;
        lead_by_another(world).await?;
        noticed().await?;
        let looked_at = Instant::now();
        processed(count).await?;

        // It looks at the stream each 5 s: what lies behind a page is compared if it was recorded since.
        lead_by_another(world).await?;
        count += 40;
        emitted(world, "vibe_created", 40, count).await?;
        processed(count).await?;
        if looked_at.elapsed() < Duration::from_secs(4) {
            forgotten(world, count - 30).await?;
            noticed().await?;
            processed(count).await?;
            let effects = world.context("sea")?.count("SELECT count(*) FROM effects").await?;
            assert_eq!(effects, count, "each of them once");
            return Ok(());
        }
    }
    panic!("this machine is too slow");
}

/// The consumer has never seen this message.
async fn forgotten(world: &World, stream_seq: i64) -> Outcome {
    let statement = format!(
        "WITH it AS (DELETE FROM inbox_messages WHERE stream_seq = {stream_seq} RETURNING message_id)
         DELETE FROM effects USING it WHERE effects.message_id = it.message_id"
    );
    assert_eq!(world.context("sea")?.execute(&statement).await?, 1);
    Ok(())
}

async fn lead_by_another(world: &World) -> Outcome {
    let leadership = async || world.broker().stream_info(&stream(world)).await.ok()?.leadership;
    let former = leadership().await.unwrap();
    assert_eq!(leadership().await.as_ref(), Some(&former), "nothing happened meanwhile");
    let subject = format!("STREAM.LEADER.STEPDOWN.{}", stream(world));
    let done: serde_json::Value = world.jetstream().request(subject, &json!({})).await.unwrap();
    assert_eq!(done["success"], true, "{done}");
    world
        .wait_until("another server leads", SOON, async || {
            Ok(leadership().await.is_some_and(|now| now.leader != former.leader))
        })
        .await
}

/// A backup of the stream is put back, its consumers go on where they were: the sequences behind it are
/// given to other events, and the durable takes them for delivered.
#[tokio::test]
async fn a_stream_that_went_back_and_on_from_there_is_noticed_and_what_it_holds_is_handled() -> Outcome {
    let options = WorldOptions { servers: ServerChoice::Own(1), ..WorldOptions::default() };
    let mut world = World::start(options).await?;
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let (publisher, first) = (world.worker("vibespro").start().await?, consumer(&world, &handler).await?);
    emitted(&world, "vibe_created", 20, 20).await?;
    world.check().await?;
    let messages = folder_of_messages(world.state().path(), &stream(&world)).unwrap();
    let backup = world.state().path().join("backup");
    world.nats()?.stop().await?;
    copy(&messages, &backup);
    world.nats()?.restart().await?;
    emitted(&world, "vibe_updated", 30, 50).await?;
    world.settle().await?;
    stop(publisher).await?;
    stop(first).await?;

    world.nats()?.stop().await?;
    std::fs::remove_dir_all(&messages).unwrap();
    copy(&backup, &messages);
    world.nats()?.restart().await?;
    let _publisher = world.worker("vibespro").start().await?;
    emitted(&world, "vibe_scored", 40, 90).await?;
    world.wait_until("this test is connected", SOON, async || Ok(world.broker().is_connected())).await?;
    assert_eq!(stored(&world).await?, 60, "20 of the backup, 40 new ones");
    // What it has seen and did not record is seen again.
    let dying = world.worker("sea").handler(&handler).env("SEA_MQ_FAILPOINTS", "inbox.record.before=1*crash");
    let victim = dying.launch().await?;
    victim.wait_for_line("the stream holds other messages than were recorded", SOON).await?;
    victim.wait_for_line("failpoint inbox.record.before: crash", SOON).await?;
    let second = consumer(&world, &handler).await?;
    let line = second.wait_for_line("the stream holds other messages than were recorded", SOON).await?;
    assert!(line.contains("recorded=50") && line.contains("from=21"), "{line}");
    world
        .wait_until("all are processed", SOON, async || Ok(inbox(&world, "'processed'").await? == 90))
        .await?;
    assert_eq!(second.metric("stream_rewound_total").await, Some(1.0));

    let replayed = replay(&world, &[]).await.ids("republished");
    assert_eq!((replayed.len(), stored(&world).await?), (30, 90), "what the stream lost");
    world.settle().await?;
    let mut history = world.history().await?;
    // Their first places are others' now.
    history.replayed = history.committed.iter().map(|event| event.id).collect();
    let totals = check(&history).clean()?;
    assert_eq!((totals.processed, totals.effects), (90, 90));
    stop(second).await?;
    let third = consumer(&world, &handler).await?;
    emitted(&world, "vibe_viewed", 5, 95).await?;
    world.settle().await?;
    assert_eq!(third.metric("stream_rewound_total").await, None, "once");
    Ok(())
}

fn folder_of_messages(below: &Path, stream: &str) -> Option<PathBuf> {
    let folders = std::fs::read_dir(below).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    folders.filter(|path| path.is_dir()).find_map(|path| match path.ends_with(stream) {
        true => Some(path.join("msgs")),
        false => folder_of_messages(&path, stream),
    })
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
