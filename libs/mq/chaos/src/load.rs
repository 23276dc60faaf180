//! What the applications of both contexts do meanwhile: a mixed load that follows from the seed, as far as
//! faults let it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use sea_mq_testkit::{Event, TestContext};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

/// Applications that commit side by side, per context.
const WRITERS: u64 = 3;
/// A commit that takes longer counts as uncertain: its database may be frozen.
const COMMIT_LIMIT: Duration = Duration::from_secs(5);
const HOT_AGGREGATES: u32 = 3;
const AGGREGATES: u32 = 300;
/// Of what one writer commits, one in so many transactions is a burst.
const BURST_EVERY: u32 = 400;
pub(crate) const BURST: usize = 150;

/// Events of these names are processed at once unless something is broken.
pub(crate) const HEALTHY: [&str; 4] = ["updated", "viewed", "asked", "noted"];

/// What was committed as far as the applications know.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Commits that were answered: context and event.
    acknowledged: Mutex<Vec<(&'static str, Uuid)>>,
    committed: AtomicU64,
    /// Transactions whose commit was not answered.
    uncertain: AtomicU64,
}

impl Ledger {
    pub(crate) fn committed(&self) -> u64 {
        self.committed.load(Ordering::Relaxed)
    }

    pub(crate) fn uncertain(&self) -> u64 {
        self.uncertain.load(Ordering::Relaxed)
    }

    pub(crate) fn acknowledged(&self) -> Vec<(&'static str, Uuid)> {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, context: &'static str, events: &[Event]) {
        let mut acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        acknowledged.extend(events.iter().map(|event| (context, event.id)));
        self.committed.fetch_add(events.len() as u64, Ordering::Relaxed);
    }
}

/// The writers of both contexts. They end when this is stopped or dropped.
pub(crate) struct Load {
    pub(crate) ledger: Arc<Ledger>,
    stopping: Arc<AtomicBool>,
    writers: JoinSet<()>,
}

impl Load {
    /// Commits about `rate` events a second over all `contexts`.
    pub(crate) fn start(contexts: Vec<(&'static str, TestContext)>, seed: u64, rate: u32) -> Self {
        let mut load = Self { ledger: Arc::default(), stopping: Arc::default(), writers: JoinSet::new() };
        let writers = WRITERS * contexts.len() as u64;
        let each = f64::from(rate.max(1)) / writers as f64;
        for (index, (known_as, context)) in contexts.into_iter().enumerate() {
            for number in 0..WRITERS {
                let writer = Writer {
                    known_as,
                    context: context.clone(),
                    random: SmallRng::seed_from_u64(seed ^ (index as u64 * WRITERS + number + 1)),
                    written: 0,
                    pause: Duration::from_secs_f64(MEAN_TRANSACTION / each),
                    ledger: Arc::clone(&load.ledger),
                    stopping: Arc::clone(&load.stopping),
                };
                load.writers.spawn(writer.run());
            }
        }
        load
    }

    /// Lets the last commits end.
    pub(crate) async fn stop(mut self) -> Arc<Ledger> {
        self.stopping.store(true, Ordering::Relaxed);
        while self.writers.join_next().await.is_some() {}
        self.ledger
    }
}

/// Events in a transaction that is no burst, on average.
const MEAN_TRANSACTION: f64 = 1.5;

struct Writer {
    known_as: &'static str,
    context: TestContext,
    random: SmallRng,
    written: u64,
    pause: Duration,
    ledger: Arc<Ledger>,
    stopping: Arc<AtomicBool>,
}

impl Writer {
    async fn run(mut self) {
        let mut next = Instant::now();
        while !self.stopping.load(Ordering::Relaxed) {
            let events = self.transaction();
            match timeout(COMMIT_LIMIT, self.context.emit_all(&events)).await {
                Ok(Ok(())) => self.ledger.note(self.known_as, &events),
                Ok(Err(_)) | Err(_) => {
                    self.ledger.uncertain.fetch_add(1, Ordering::Relaxed);
                }
            }
            // What an outage kept from being written is not made up for: users have gone by then.
            next = (next + self.pause.mul_f64(self.random.random_range(0.2..1.8))).max(Instant::now());
            tokio::time::sleep_until(next).await;
        }
    }

    fn transaction(&mut self) -> Vec<Event> {
        let several = self.random.random_ratio(1, 4);
        let count = if several { self.random.random_range(2..=4) } else { 1 };
        let mut events: Vec<Event> = match self.random.random_ratio(1, BURST_EVERY) {
            true => (0..BURST).map(|_| self.updated()).collect(),
            false => (0..count).map(|_| self.event()).collect(),
        };
        // Transactions that lock aggregates in different orders would only get in each other's way.
        events.sort_by(|a, b| a.aggregate.cmp(&b.aggregate));
        events
    }

    fn event(&mut self) -> Event {
        let own = format!("t-{}", self.random.random_range(0..AGGREGATES));
        match self.random.random_range(0..100) {
            0..70 => self.updated(),
            70..80 => Event::new("viewed").payload(self.payload(json!({}))),
            80..90 => Event::new("asked").of(own).payload(self.payload(json!({}))),
            90..94 => {
                let ms = self.random.random_range(50..800);
                Event::new("slowed").of(own).payload(self.payload(json!({ "ms": ms })))
            }
            94..97 => {
                let times = self.random.random_range(1..=3);
                Event::new("failed").of(own).payload(self.payload(json!({ "times": times })))
            }
            97 => Event::new("poisoned").of(own).payload(self.payload(json!({}))),
            _later => {
                let wait = Duration::from_millis(self.random.random_range(500..5_000));
                let due = OffsetDateTime::now_utc() + wait;
                // Of an aggregate of its own: its place among others is given to it when it is due, and a
                // writer does not take turns with that.
                let own = format!("p-{}", self.random.random_range(0..AGGREGATES));
                Event::new("planned").of(own).after(due).payload(self.payload(json!({})))
            }
        }
    }

    fn updated(&mut self) -> Event {
        let hot = self.random.random_ratio(3, 10);
        let aggregate = match hot {
            true => format!("hot-{}", self.random.random_range(0..HOT_AGGREGATES)),
            false => format!("v-{}", self.random.random_range(0..AGGREGATES)),
        };
        Event::new("updated").of(aggregate).payload(self.payload(json!({})))
    }

    /// With the time of writing, from which latency is measured.
    fn payload(&mut self, mut told: Value) -> Value {
        self.written += 1;
        let now = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000;
        told["at"] = json!(i64::try_from(now).unwrap_or_default());
        told["n"] = json!(self.written);
        told
    }
}
