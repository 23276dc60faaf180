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

/// About twenty for each lane of a subscription.
const BURST: usize = 640;

/// What there must be at least of one round of the load, when all is done.
pub(super) const PROCESSED: usize = 22;
pub(super) const DEAD: usize = 2;
pub(super) const PARKED: usize = 1;

/// A little of everything that an event can meet. Each round has aggregates of its own beside the common
/// ones, so that none of it is spent by the round before.
pub(super) async fn emit(world: &World, round: usize) -> Result<(), TestkitError> {
    let mut burst = Vec::new();
    for n in 0..4 {
        let of = |aggregate| Event::new("vibe_updated").of(aggregate).payload(json!({ "n": n }));
        burst.extend(["a", "b", "c", "d"].map(of));
        burst.push(Event::new("vibe_viewed"));
    }
    world.emit_all("vibespro", &burst).await?;
    for told in ["poison", "twice"] {
        let of = format!("e-{told}-{round}");
        let event = Event::new("vibe_scored").of(&of).payload(json!({ "do": told }));
        world.emit("vibespro", event).await?;
        world.emit("vibespro", Event::new("vibe_scored").of(&of)).await?;
    }
    let soon = OffsetDateTime::now_utc() + Duration::from_millis(300);
    // Nobody writes to its aggregate when it is due, and what else there is of it is committed with it: else
    // which of the two comes first is open.
    let planned = format!("planned-{round}");
    let both = [Event::new("vibe_planned").of(&planned).after(soon), Event::new("vibe_updated").of(&planned)];
    world.emit_all("vibespro", &both).await?;
    let (of, large) =
        (format!("large-{round}"), "x".repeat(2 * usize::try_from(MAX_MESSAGE).unwrap_or_default()));
    world.emit("vibespro", Event::new("vibe_grown").of(&of).payload(json!(large))).await?;
    for _ in 0..3 {
        world.emit("vibespro", Event::new("vibe_grown").of(&of)).await?;
    }
    let subject = world.context("vibespro")?.subject("vibe_viewed");
    world.publish_raw(&subject, &[], "{}").await?;
    Ok(())
}

/// So many that several of each lane are ready at once: after a failure lanes are taken over one by one, and
/// with few in each all of them would be called for singly.
pub(super) async fn emit_burst(world: &World) -> Result<(), TestkitError> {
    let burst: Vec<_> = (0..BURST).map(|_| Event::new("vibe_viewed")).collect();
    world.emit_all("vibespro", &burst).await.map(drop)
}

/// Events of one type, each of an aggregate of its own, that the handler fails until it is healed:
/// more than are kept in line while it does.
pub(super) async fn emit_troubled(world: &World, round: usize) -> Result<(), TestkitError> {
    for n in 0..150 {
        world.emit("vibespro", Event::new("vibe_troubled").of(format!("t-{round}-{n}"))).await?;
    }
    Ok(())
}

/// Lets the event stream refuse large messages for good.
pub(super) async fn limit_messages(world: &World) -> Result<(), TestkitError> {
    world.configure_stream("vibespro", |config| config.max_message_size = MAX_MESSAGE).await
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
