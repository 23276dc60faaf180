use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use time::OffsetDateTime;

use crate::handler::{Answer, Call};
use crate::world::{Event, World};
use crate::{TestHandler, TestkitError};

/// No message above this is taken by the event stream of a walk: so one event of the load is parked.
const MAX_MESSAGE: i32 = 4_000;

/// A little of everything that an event can meet.
pub(super) async fn emit(world: &World) -> Result<(), TestkitError> {
    for n in 0..4 {
        for aggregate in ["a", "b", "c", "d"] {
            let event = Event::new("vibe_updated").of(aggregate).payload(json!({ "n": n }));
            world.emit("vibespro", event).await?;
        }
        world.emit("vibespro", Event::new("vibe_viewed")).await?;
    }
    for told in ["poison", "twice"] {
        let event = Event::new("vibe_scored").of(format!("e-{told}")).payload(json!({ "do": told }));
        world.emit("vibespro", event).await?;
        world.emit("vibespro", Event::new("vibe_scored").of(format!("e-{told}"))).await?;
    }
    let soon = OffsetDateTime::now_utc() + Duration::from_millis(300);
    world.emit("vibespro", Event::new("vibe_planned").of("a").after(soon)).await?;
    let large = "x".repeat(2 * usize::try_from(MAX_MESSAGE).unwrap_or_default());
    world.emit("vibespro", Event::new("vibe_grown").of("large").payload(json!(large))).await?;
    for _ in 0..3 {
        world.emit("vibespro", Event::new("vibe_grown").of("large")).await?;
    }
    let subject = world.context("vibespro")?.subject("vibe_viewed");
    world.publish_raw(&subject, &[], "{}").await?;
    Ok(())
}

/// Events of one type, each of an aggregate of its own, that the handler fails until it is healed:
/// more than are kept in line while it does.
pub(super) async fn emit_troubled(world: &World) -> Result<(), TestkitError> {
    for n in 0..150 {
        world.emit("vibespro", Event::new("vibe_troubled").of(format!("t-{n}"))).await?;
    }
    Ok(())
}

/// Lets the event stream refuse large messages for good.
pub(super) async fn limit_messages(world: &World) -> Result<(), TestkitError> {
    let name = world.context("vibespro")?.name.event_stream();
    let doing = || format!("limiting the messages of {name}");
    let stream = world.jetstream().get_stream(&name).await.map_err(TestkitError::broker(doing()))?;
    let mut config = stream.cached_info().config.clone();
    config.max_message_size = MAX_MESSAGE;
    world.jetstream().update_stream(config).await.map_err(TestkitError::broker(doing()))?;
    Ok(())
}

/// A handler for this load, that joins the inbox.
pub(super) async fn handler(world: &World, healed: Arc<AtomicBool>) -> Result<TestHandler, TestkitError> {
    world.handler("sea", move |call| behave(call, healed.load(Ordering::Relaxed))).await
}

fn behave(call: &Call, healed: bool) -> Answer {
    if call.event_type == "vibe_troubled" {
        return if healed { Answer::Handle } else { Answer::Status(500) };
    }
    match call.payload.get("do").and_then(serde_json::Value::as_str) {
        Some("poison") => Answer::Status(422),
        Some("twice") => {
            Answer::by_attempt(call.attempt, &[Answer::Status(500), Answer::Status(500), Answer::Handle])
        }
        Some(_) | None => Answer::Handle,
    }
}
