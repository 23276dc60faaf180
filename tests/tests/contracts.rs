//! Events against their contracts: parked when published, dead-lettered when received.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use sea_mq_testkit::{Answer, Event, World, WorldOptions};
use sea_mq_tests::{Outcome, SOON, outbox, retry_parked};
use serde_json::{Value, json};
use uuid::Uuid;

/// A folder with a contract for `vibe_created.v1` of the world's `vibespro`: a title of at most so
/// many characters.
fn contracts(world: &World, longest: u64) -> tempfile::TempDir {
    let context = &world.context("vibespro").unwrap().name;
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join(context.as_str())).unwrap();
    write(folder.path(), context.as_str(), longest);
    folder
}

fn write(folder: &Path, context: &str, longest: u64) {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:sea-mq:contract:{context}:vibe_created:v1"),
        "type": "object",
        "required": ["title"],
        "properties": { "title": { "type": "string", "maxLength": longest } },
    });
    std::fs::write(folder.join(context).join("vibe_created.v1.json"), schema.to_string()).unwrap();
}

fn titled(aggregate: &str, title: &str) -> Event {
    Event::new("vibe_created").of(aggregate).payload(json!({ "title": title, "unknown": [1] }))
}

#[tokio::test]
async fn an_event_that_breaks_its_contract_is_parked_and_can_be_retried_under_a_corrected_one() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let folder = contracts(&world, 9);
    let handler = world.handler("sea", |_| Answer::Handle).await?;
    let mut publisher =
        world.worker("vibespro").env("CONTRACTS_DIR", folder.path().display()).start().await?;
    let _consumer = world.worker("sea").handler(&handler).start().await?;
    let parked = world.emit("vibespro", titled("long", "a secret title")).await?;
    for n in 0..3 {
        world.emit("vibespro", titled("long", &format!("behind {n}"))).await?;
        world.emit("vibespro", titled(&format!("good-{n}"), "good")).await?;
    }
    // What has no contract passes.
    world.emit("vibespro", Event::new("vibe_viewed").payload(json!([1]))).await?;
    world
        .wait_until(
            "one is parked, three are held behind it and the others are published",
            SOON,
            async || {
                Ok(outbox(&world, "'parked'").await? == 1
                    && outbox(&world, "'held'").await? == 3
                    && outbox(&world, "'published'").await? == 4)
            },
        )
        .await?;
    let (error, attempts): (String, i32) =
        sqlx::query_as("SELECT publish_error, publish_attempts FROM outbox_events WHERE id = $1")
            .bind(parked)
            .fetch_one(&world.context("vibespro")?.admin)
            .await?;
    assert!(error.ends_with("/vibe_created.v1: /title: maxLength 9"), "{error}");
    assert_eq!(attempts, 0, "it was not sent");
    assert!(publisher.output().contains("/title: maxLength 9") && !publisher.output().contains("secret"));

    publisher.terminate().await?;
    assert!(publisher.wait_within(SOON).await?.success());
    write(folder.path(), world.context("vibespro")?.name.as_str(), 20);
    publisher = world.worker("vibespro").env("CONTRACTS_DIR", folder.path().display()).start().await?;
    let retry = retry_parked(&world, parked, &[]).await?;
    assert!(retry.wait_within(SOON).await?.success());
    let totals = world.check().await?;
    assert_eq!((totals.processed, totals.parked), (8, 0));
    assert!(publisher.is_ready().await);
    Ok(())
}

#[tokio::test]
async fn a_message_that_breaks_its_contract_is_dead_lettered_without_a_call() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let folder = contracts(&world, 9);
    let handler = world.handler("sea", |_| Answer::Status(200)).await?;
    let consumer =
        world.worker("sea").handler(&handler).env("CONTRACTS_DIR", folder.path().display()).start().await?;
    let subject = world.context("vibespro")?.subject("vibe_created");
    let ids: Vec<String> = (0..4).map(|_| Uuid::new_v4().to_string()).collect();
    let deep = format!(r#"{{"title": "good", "deep": {}{}}}"#, "[".repeat(500), "]".repeat(500));
    for (id, body) in ids.iter().zip([r#"{"title": "good"}"#, r#"{"title": "a secret title"}"#, "{}", &deep])
    {
        world.publish_raw(&subject, &[("Nats-Msg-Id", id)], body.to_owned()).await?;
    }
    let totals = world.check().await?;
    assert_eq!((totals.recorded, totals.dead, totals.letters), (4, 3, 3), "{totals:?}");
    assert_eq!(handler.calls().len(), 1);
    let sql = "SELECT message_id, dead_reason, last_error FROM inbox_messages WHERE state = 'dead'";
    let dead: Vec<(Uuid, String, String)> =
        sqlx::query_as(sql).fetch_all(&world.context("sea")?.admin).await?;
    for (id, reason, error) in dead {
        assert_eq!(reason, "contract");
        let rule = match ids.iter().position(|known| *known == id.to_string()) {
            Some(1) => "/title: maxLength 9",
            Some(2) => "/title: required",
            _other => "cannot be read as JSON",
        };
        assert!(error.contains(rule) && !error.contains("secret"), "{error}");
    }
    assert!(!consumer.output().contains("secret"));
    Ok(())
}

#[tokio::test]
async fn a_broken_contract_stops_the_start_and_is_named() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let folder = contracts(&world, 9);
    let context = world.context("vibespro")?.name.as_str().to_owned();
    let file = folder.path().join(&context).join("vibe_created.v1.json");
    let mut schema: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    schema["properties"]["title"]["type"] = json!("text");
    std::fs::write(&file, schema.to_string()).unwrap();
    let worker = world.worker("vibespro").env("CONTRACTS_DIR", folder.path().display()).launch().await?;
    assert_eq!(worker.wait_within(SOON).await?.code(), Some(64));
    let said = worker.output();
    assert!(
        said.contains("CONTRACTS_DIR") && said.contains("vibe_created.v1.json at /properties/title/type"),
        "{said}"
    );
    Ok(())
}
