//! The pieces of the testkit against real servers, without a worker.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use bytes::Bytes;
use sea_mq_dispatch::{Answer as Heard, Handler};
use sea_mq_testkit::{
    Answer, EffectMode, Event, Gate, Hold, ServerChoice, TestkitError, Violation, World, WorldOptions,
};
use serde_json::json;
use uuid::Uuid;

type Outcome = Result<(), TestkitError>;

fn request(id: Uuid, consumer: &str, fence: i64) -> Bytes {
    let body = json!({
        "message_id": id, "subject": "a.event.b.v1", "event_type": "b", "event_version": 1,
        "occurred_at": "2026-01-01T00:00:00Z", "correlation_id": id, "causation_id": null,
        "aggregate_type": null, "aggregate_id": null, "consumer": consumer, "attempt": fence, "fence": fence,
        "payload": {"n": 1}});
    Bytes::from(body.to_string())
}

fn status(heard: &Heard) -> u16 {
    match heard {
        Heard::Status { code, .. } => *code,
        Heard::NeverConnected(_) => 1,
        Heard::TimedOut(_) => 2,
        Heard::CutOff(_) => 3,
    }
}

async fn record(world: &World, id: Uuid, fence: i64) -> Outcome {
    let sql = format!(
        "INSERT INTO inbox_messages (message_id, consumer, subject, fence, attempts, stream, stream_created_at,
            stream_seq, headers, body, state, lane)
         VALUES ('{id}', '{}', 's', {fence}, 1, 'S', now(), 1, '[]', '{{}}', 'running', 0)",
        world.durable("sea")?
    );
    world.context("sea")?.execute(&sql).await.map(drop)
}

#[tokio::test]
async fn a_handler_misbehaves_as_it_is_told() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let mut handler = world.absent_handler("sea", EffectMode::Plain, |call| {
        let answers = [
            Answer::Status(500),
            Answer::RetryAfter(503, 7),
            Answer::Reset,
            Answer::CutOff,
            Answer::Die,
            Answer::Handle,
        ];
        Answer::by_attempt(call.attempt, &answers)
    })?;
    let client = Handler::new(&handler.url(), Duration::from_secs(5)).unwrap();
    let id = Uuid::new_v4();
    assert_eq!(status(&client.call(id, request(id, "c", 1), None).await), 1);
    handler.listen().await?;
    for (attempt, expected) in [(1, 500), (2, 503), (3, 3), (4, 3), (5, 3), (6, 200)] {
        let heard = client.call(id, request(id, "c", attempt), None).await;
        assert_eq!(status(&heard), expected, "attempt {attempt}: {heard:?}");
    }
    handler.stop().await;
    assert_eq!(status(&client.call(id, request(id, "c", 7), None).await), 1);
    assert_eq!(handler.calls_of(id).len(), 6);
    assert_eq!(world.context("sea")?.count("SELECT count(*) FROM effects").await?, 1);
    Ok(())
}

#[tokio::test]
async fn effects_join_the_inbox_or_are_keyed() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let gate = Gate::closed();
    let held = gate.clone();
    let handler = world
        .handler("sea", move |call| match call.fence {
            1 => Answer::HandleHolding(Hold::BeforeMark, held.clone()),
            _later => Answer::Handle,
        })
        .await?;
    let client = Handler::new(&handler.url(), Duration::from_secs(5)).unwrap();
    let (id, sea) = (Uuid::new_v4(), world.context("sea")?);
    let consumer = world.durable("sea")?;
    assert_eq!(status(&client.call(id, request(id, consumer, 9), None).await), 503, "unknown");
    record(&world, id, 1).await?;
    let zombie = tokio::spawn({
        let (client, body) = (client.clone(), request(id, consumer, 1));
        async move { client.call(id, body, None).await }
    });
    gate.reached(1).await;
    sea.execute(&format!("UPDATE inbox_messages SET fence = 2, attempts = 2 WHERE message_id = '{id}'"))
        .await?;
    assert_eq!(status(&client.call(id, request(id, consumer, 2), None).await), 200);
    gate.open();
    assert_eq!(status(&zombie.await.unwrap()), 409, "the zombie finds it processed");
    assert_eq!(status(&client.call(id, request(id, consumer, 2), None).await), 409, "done");
    assert_eq!(sea.count("SELECT count(*) FROM effects").await?, 1);

    let keyed = world.handler_with("sea", EffectMode::KeyedById, |_| Answer::Handle).await?;
    let client = Handler::new(&keyed.url(), Duration::from_secs(5)).unwrap();
    for expected in [200, 409] {
        assert_eq!(status(&client.call(Uuid::nil(), request(Uuid::nil(), "c", 1), None).await), expected);
    }
    Ok(())
}

#[tokio::test]
async fn the_collector_reads_what_was_made_and_the_checker_misses_what_was_not() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let first = world.emit("vibespro", Event::new("vibe_created").of("a").payload(json!({"n": 1}))).await?;
    let vibespro = world.context("vibespro")?;
    let raw = Uuid::new_v4();
    for headers in [&[("Nats-Msg-Id", raw.to_string())][..], &[]] {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, id)| (*name, id.as_str())).collect();
        world.publish_raw(&vibespro.subject("vibe_scored"), &headers, "{}").await?;
    }
    let history = world.history().await?;
    assert_eq!((history.committed.len(), history.streamed.len()), (1, 2));
    assert_eq!(history.streamed[0].id, raw);
    assert_eq!(history.subscriptions.len(), 1);
    let verdict = world.verdict().await?;
    assert_eq!(verdict.violations.len(), 3, "{verdict}");
    let unpublished = |violation: &&Violation| matches!(violation, Violation::Lost { id, consumer: None, .. } if *id == first);
    assert_eq!(verdict.violations.iter().filter(unpublished).count(), 1, "{verdict}");
    assert!(verdict.to_string().contains("outbox seq"), "{verdict}");
    Ok(())
}

#[tokio::test]
async fn a_condition_that_never_holds_shows_how_things_stand() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    world.emit_many("vibespro", "vibe_created", 3, 2).await?;
    let limit = Duration::from_millis(100);
    let began = Instant::now();
    let error = world.wait_until("pigs fly", limit, async || Ok(false)).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(5));
    let text = error.to_string();
    assert!(text.contains("pigs fly") && text.contains("3 ready"), "{text}");
    Ok(())
}

#[tokio::test]
async fn a_world_of_its_own_has_users_that_can_be_changed() -> Outcome {
    let deny = |users: String| {
        assert!(users.contains("\"vibespro.event.>\""), "{users}");
        users.replace("\"vibespro.event.>\"", "\"vibespro.nothing.>\"")
    };
    let options = WorldOptions { servers: ServerChoice::OwnWithUsers(1, deny), ..WorldOptions::default() };
    let mut world = World::start(options).await?;
    let id = Uuid::new_v4().to_string();
    world.publish_raw("vibespro.event.vibe_created.v1", &[("Nats-Msg-Id", &id)], "{}").await?;
    assert_eq!(world.history().await?.streamed.len(), 1);
    world.postgres()?.kill().await;
    assert!(world.history().await.is_err());
    world.postgres()?.restart().await?;
    let limit = Duration::from_secs(20);
    world
        .wait_until("the database is back", limit, async || Ok(world.history().await?.streamed.len() == 1))
        .await
}
