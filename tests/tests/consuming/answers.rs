//! What the handler answers, and what becomes of the event.

use std::time::Duration;

use sea_mq_inbox::Inbox;
use sea_mq_testkit::{Answer, EffectMode, Event};
use sea_mq_tests::{Outcome, SOON, inbox};
use serde_json::json;
use uuid::Uuid;

use super::{Flow, flow, reason, tell, told};

#[tokio::test]
async fn every_transient_answer_is_tried_again() -> Outcome {
    let Flow { world, handler, publisher: _p, consumer: _c } = flow(EffectMode::Joined, &[], |call| {
        let first = match told(call) {
            Some("reset") => Answer::Reset,
            Some("cut off") => Answer::CutOff,
            Some("done, then reset") => Answer::HandleThenReset,
            Some(code) => Answer::Status(code.parse().unwrap()),
            None => Answer::Handle,
        };
        Answer::by_attempt(call.attempt, &[first, Answer::Handle])
    })
    .await?;
    let mut ids = Vec::new();
    let answers = [
        "500",
        "502",
        "503",
        "404",
        "400",
        "301",
        "408",
        "425",
        "429",
        "reset",
        "cut off",
        "done, then reset",
    ];
    for answer in answers {
        ids.push((answer, world.emit("vibespro", tell("vibe_scored", answer, answer)).await?));
        world.emit("vibespro", Event::new("vibe_updated").of(answer)).await?;
    }
    let totals = world.check().await?;
    assert_eq!(totals.processed, 2 * answers.len());
    for (answer, id) in ids {
        // Its effects were in place before the connection broke: the inbox knows, and nobody calls again.
        let calls = if answer == "done, then reset" { 1 } else { 2 };
        assert_eq!(handler.calls_of(id).len(), calls, "{answer}");
    }
    Ok(())
}

#[tokio::test]
async fn already_processed_settles_and_poison_is_dead_lettered_at_once() -> Outcome {
    let Flow { world, handler, publisher: _p, consumer } =
        flow(EffectMode::Joined, &[], |call| match told(call) {
            Some("409") => Answer::Status(409),
            Some("204") => Answer::Status(204),
            Some("422") => Answer::Status(422),
            Some(_) | None => Answer::Handle,
        })
        .await?;
    let mut poison = Uuid::nil();
    for answer in ["409", "204", "422"] {
        poison = world.emit("vibespro", tell("vibe_scored", "a", answer)).await?;
    }
    world.emit("vibespro", Event::new("vibe_updated").of("a")).await?;
    let totals = world.check().await?;
    assert_eq!((totals.processed, totals.dead, totals.letters, totals.effects), (3, 1, 1, 1));
    assert_eq!(reason(&world, poison).await?.as_deref(), Some("poison"));
    assert_eq!(handler.calls_of(poison).len(), 1);
    world
        .wait_until("it is counted", SOON, async || {
            Ok(consumer.metric("dead_letters_total").await == Some(1.0))
        })
        .await
}

#[tokio::test]
async fn attempts_are_used_up_and_the_aggregate_goes_on() -> Outcome {
    let Flow { world, handler, publisher: _p, consumer: _c } =
        flow(EffectMode::Joined, &[], |call| match told(call) {
            Some("fail") => Answer::Status(500),
            Some(_) | None => Answer::Handle,
        })
        .await?;
    let failing = world.emit("vibespro", tell("vibe_scored", "a", "fail")).await?;
    world.emit("vibespro", Event::new("vibe_updated").of("a")).await?;
    world.check().await?;
    assert_eq!(handler.calls_of(failing).len(), 5);
    assert_eq!(reason(&world, failing).await?.as_deref(), Some("max_deliver"));
    let calls = handler.calls_of(failing);
    assert!(calls.windows(2).all(|pair| pair[0].call.fence < pair[1].call.fence));
    Ok(())
}

#[tokio::test]
async fn a_held_aggregate_waits_for_its_redrive() -> Outcome {
    let Flow { world, handler, publisher: _p, consumer: _c } =
        flow(EffectMode::Joined, &[("ON_DEAD_LETTER", "hold")], |call| match told(call) {
            Some("422") => Answer::Status(422),
            Some(_) | None => Answer::Handle,
        })
        .await?;
    let poison = world.emit("vibespro", tell("vibe_scored", "a", "422")).await?;
    for _ in 0..10 {
        world.emit("vibespro", Event::new("vibe_updated").of("a")).await?;
    }
    world.emit_many("vibespro", "vibe_created", 50, 5).await?;
    world
        .wait_until("all others are processed", SOON, async || {
            Ok(inbox(&world, "'processed'").await? == 50 && inbox(&world, "'dead'").await? == 1)
        })
        .await?;
    assert_eq!(inbox(&world, "'behind', 'ready'").await?, 10);
    handler.behave(|_| Answer::Handle);
    let pool = sqlx::PgPool::connect(&world.context("sea")?.urls.worker).await?;
    assert!(Inbox::new(pool, world.durable("sea")?).redrive(poison).await.unwrap());
    let totals = world.check().await?;
    assert_eq!((totals.processed, totals.dead, totals.letters), (61, 0, 1));
    let of_a: Vec<Uuid> = handler
        .calls()
        .iter()
        .filter(|r| r.call.aggregate_id.as_deref() == Some("a"))
        .map(|r| r.call.message_id)
        .collect();
    assert_eq!((of_a[0], of_a[1]), (poison, poison), "the redriven one goes first");
    Ok(())
}

#[tokio::test]
async fn messages_that_nobody_can_handle_are_dead_lettered_without_a_call() -> Outcome {
    let Flow { world, handler, publisher: _p, consumer: _c } =
        flow(EffectMode::Joined, &[], |_| Answer::Status(200)).await?;
    let subject = world.context("vibespro")?.subject("vibe_created");
    let ids: Vec<String> = (0..4).map(|_| Uuid::new_v4().to_string()).collect();
    world.publish_raw(&subject, &[], "{}").await?;
    world.publish_raw(&subject, &[("Nats-Msg-Id", "not-a-uuid")], "{}").await?;
    world.publish_raw(&subject, &[("Nats-Msg-Id", &ids[0])], "{not json").await?;
    world.publish_raw(&subject, &[("Nats-Msg-Id", &ids[1])], &b"\xff\xfe"[..]).await?;
    // JSON that jsonb refuses, and JSON that is no object: a handler may still want them.
    world.publish_raw(&subject, &[("Nats-Msg-Id", &ids[2])], r#"{"a":"\u0000"}"#).await?;
    world.publish_raw(&subject, &[("Nats-Msg-Id", &ids[3])], "null").await?;
    let totals = world.check().await?;
    assert_eq!((totals.recorded, totals.dead, totals.letters), (6, 4, 4), "{totals:?}");
    assert_eq!(handler.calls().len(), 2);
    let sea = world.context("sea")?;
    for (reason, count) in [("missing_message_id", 2), ("malformed", 2)] {
        let sql = format!("SELECT count(*) FROM inbox_messages WHERE dead_reason = '{reason}'");
        assert_eq!(sea.count(&sql).await?, count, "{reason}");
    }
    assert_eq!(
        sea.count("SELECT count(*) FROM inbox_messages WHERE state = 'dead' AND attempts > 0").await?,
        0
    );
    Ok(())
}

#[tokio::test]
async fn a_body_at_the_size_limit_goes_through_and_can_be_dead_lettered() -> Outcome {
    let Flow { world, handler, publisher: _p, consumer: _c } =
        flow(EffectMode::Joined, &[], |call| match call.event_type.as_str() {
            "vibe_scored" => Answer::Status(422),
            _other => Answer::Handle,
        })
        .await?;
    // As text of jsonb: the string's two quotes count.
    let largest = json!("x".repeat(1_048_576 - 16_384 - 2));
    let handled = world.emit("vibespro", Event::new("vibe_created").of("a").payload(largest.clone())).await?;
    world.emit("vibespro", Event::new("vibe_scored").of("a").payload(largest.clone())).await?;
    let totals = world.check().await?;
    assert_eq!((totals.processed, totals.dead, totals.letters), (1, 1, 1));
    assert_eq!(handler.calls_of(handled)[0].call.payload, largest);
    let too_large = Event::new("vibe_created").payload(json!("x".repeat(1_048_576 - 16_384 - 1)));
    let refused = world.emit("vibespro", too_large).await.unwrap_err();
    assert!(format!("{refused:?}").contains("the broker takes at most"), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn retry_after_is_waited_for() -> Outcome {
    let Flow { world, handler, publisher: _p, consumer: _c } =
        flow(EffectMode::Joined, &[], |call| match told(call) {
            Some("busy") => Answer::by_attempt(call.attempt, &[Answer::RetryAfter(503, 2), Answer::Handle]),
            Some("limited") => {
                Answer::by_attempt(call.attempt, &[Answer::RetryAfter(429, 2), Answer::Handle])
            }
            Some(_) | None => Answer::Handle,
        })
        .await?;
    for what in ["busy", "limited"] {
        let id = world.emit("vibespro", tell("vibe_scored", what, what)).await?;
        world.wait_until("it was tried twice", SOON, async || Ok(handler.calls_of(id).len() == 2)).await?;
        let calls = handler.calls_of(id);
        let waited = calls[1].started - calls[0].started;
        assert!(waited >= Duration::from_millis(1_900), "{what}: {waited:?}");
    }
    world.check().await.map(drop)
}
