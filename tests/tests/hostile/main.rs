//! Messages past every outbox, among events as they should be: each ends processed or dead-lettered with
//! its reason, and nothing holds the others up.
#![allow(clippy::unwrap_used)]

mod messages;
mod raw;
mod unreadable;

use std::collections::BTreeMap;
use std::time::Duration;

use sea_mq_testkit::{Answer, TestkitError, World, WorldOptions};
use sea_mq_tests::{Outcome, SOON};

use messages::{by_chance, known};
use raw::{RawClient, RawMessage, Said};

/// Events as they should be, between so many that are not.
const HEALTHY: i64 = 10;
const BETWEEN: usize = 20;
/// Far more than the worker needs, far less than what came at it.
const MEMORY: usize = 320 * 1024 * 1024;

/// What the inbox says of one message.
struct Row {
    state: String,
    dead_reason: Option<String>,
    last_error: Option<String>,
}

impl Row {
    fn is_stated(&self) -> bool {
        let reasons = ["poison", "max_deliver", "missing_message_id", "malformed", "contract"];
        match self.state.as_str() {
            "processed" => true,
            "dead" => {
                self.dead_reason.as_deref().is_some_and(|reason| reasons.contains(&reason))
                    && self
                        .last_error
                        .as_deref()
                        .is_some_and(|error| !error.is_empty() && error.len() <= 4000)
            }
            _open => false,
        }
    }
}

async fn rows(world: &World) -> Result<BTreeMap<u64, Row>, TestkitError> {
    let sql = "SELECT stream_seq, state, dead_reason, last_error FROM inbox_messages";
    let rows: Vec<(i64, String, Option<String>, Option<String>)> =
        sqlx::query_as(sql).fetch_all(&world.context("sea")?.admin).await?;
    let row = |(seq, state, dead_reason, last_error)| {
        (u64::try_from(seq).unwrap_or(0), Row { state, dead_reason, last_error })
    };
    Ok(rows.into_iter().map(row).collect())
}

/// Sends all of them, with events as they should be in between. Where each is stored that is.
async fn send(world: &World, messages: &[RawMessage]) -> Result<BTreeMap<u64, usize>, TestkitError> {
    let mut client = RawClient::connect(&world.nats_urls()[0]).await;
    let mut stored = BTreeMap::new();
    for (n, message) in messages.iter().enumerate() {
        if n % BETWEEN == 0 {
            world.emit_many("vibespro", "vibe_created", HEALTHY, 5).await?;
        }
        if let Said::Stored(seq) = client.publish(message).await {
            stored.insert(seq, n);
        }
    }
    Ok(stored)
}

/// What a letter says itself is short and printable; so each was stored.
async fn check_letters(world: &World) -> Result<(), TestkitError> {
    let name = world.context("sea")?.name.dead_letter_stream();
    let stream =
        world.jetstream().get_stream(&name).await.map_err(TestkitError::broker("reading letters"))?;
    for seq in 1..=stream.cached_info().state.last_sequence {
        let letter = stream.get_raw_message(seq).await.map_err(TestkitError::broker("reading a letter"))?;
        assert!(
            letter.subject.len() <= 1024 && !letter.subject.contains(char::is_whitespace),
            "{}",
            letter.subject
        );
        for (name, values) in letter.headers.iter().filter(|(name, _)| name.to_string().starts_with("X-Dlq-"))
        {
            let short = |value: &&async_nats::HeaderValue| {
                value.as_str().len() <= 1024 && !value.as_str().contains(char::is_control)
            };
            assert!(values.iter().all(|value| short(&value)), "{name} of {seq}: {values:?}");
        }
    }
    Ok(())
}

fn peak_memory(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[tokio::test]
async fn whatever_is_sent_ends_with_a_reason_and_holds_nobody_up() -> Outcome {
    let world = World::start(WorldOptions::default()).await?;
    let handler = world
        .handler("sea", |call| match call.event_type.as_str() {
            "poison" => Answer::Status(422),
            "failing" => Answer::Status(500),
            _other => Answer::Handle,
        })
        .await?;
    let _publisher = world.worker("vibespro").start().await?;
    let consumer = world.worker("sea").handler(&handler).start().await?;
    let prefix = world.context("vibespro")?.name.event_prefix();
    let messages = [known(&prefix), by_chance(&prefix)].concat();
    let stored = send(&world, &messages).await?;
    assert!(
        stored.len() > 500 && stored.len() > messages.len() / 2,
        "{} of {}",
        stored.len(),
        messages.len()
    );
    let healthy = HEALTHY * i64::try_from(messages.len().div_ceil(BETWEEN)).unwrap();
    let processed =
        "SELECT count(*) FROM inbox_messages WHERE state = 'processed' AND event_type = 'vibe_created'";
    world
        .wait_until("the events as they should be are processed", SOON, async || {
            Ok(world.context("sea")?.count(processed).await? == healthy)
        })
        .await?;
    let totals = world.check().await?;
    let rows = rows(&world).await?;
    for (seq, n) in &stored {
        let shown = || messages[*n].subject.escape_ascii().to_string();
        let row = rows.get(seq).unwrap_or_else(|| panic!("{} is not in the inbox", shown()));
        assert!(row.is_stated(), "{}: {} {:?} {:?}", shown(), row.state, row.dead_reason, row.last_error);
    }
    assert_eq!(totals.letters, totals.dead, "{totals:?}");
    check_letters(&world).await?;
    consumer.wait_ready(Duration::from_secs(10)).await?;
    let peak = peak_memory(consumer.pid());
    assert!(peak < MEMORY, "the worker took {peak} bytes");
    Ok(())
}
