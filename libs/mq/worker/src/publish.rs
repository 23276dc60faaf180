//! The publisher: outbox rows of the owned lanes → stream, in order per aggregate.
//!
//! One task. At any time at most one look-and-claim and one mark are under way, and up to the
//! configured number of publishes. No lock and no transaction is open while the broker is awaited.
//!
//! ```text
//!  ownership ──▶ fetching ──▶ book ──▶ sending ──▶ acks ──▶ marking
//!   which lanes   which rows   order    broker      which    database
//!                                                   count
//!                                      watching: which stream it is
//! ```

mod acks;
mod book;
mod fetching;
mod gate;
mod marking;
mod message;
mod ownership;
mod sending;
mod watching;

use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use sea_mq_config::PublisherSettings;
use sea_mq_contracts::Contracts;
use sea_mq_observe::{Health, Progress};
use sea_mq_outbox::Outbox;
use sea_mq_stream::Broker;
use tokio_util::sync::CancellationToken;

use crate::leases::{Leases, is_valid};
use crate::slot::{Slot, finished};
use acks::Acks;
use book::Book;
use fetching::{Fetched, Looks};
use gate::Gate;
use marking::Marked;
use ownership::Ownership;
use sending::Sent;
use watching::Watch;

/// The longest that nothing is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What the publisher works with.
pub(crate) struct Publisher {
    pub(crate) outbox: Outbox,
    pub(crate) broker: Broker,
    pub(crate) settings: PublisherSettings,
    pub(crate) contracts: Contracts,
    pub(crate) leases: Leases,
    pub(crate) health: Health,
    pub(crate) progress: Progress,
}

struct Running {
    publisher: Publisher,
    ownership: Ownership,
    looks: Looks,
    book: Book,
    gate: Gate,
    acks: Acks,
    watch: Watch,
    fetching: Slot<Fetched>,
    marking: Slot<Marked>,
    sending: FuturesUnordered<BoxFuture<'static, Sent>>,
    stopping: bool,
}

impl Publisher {
    /// Publishes until `stop`; then finishes what is in flight.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let now = Instant::now();
        let mut running = Running {
            publisher: self,
            ownership: Ownership::new(now),
            looks: Looks::new(now),
            book: Book::default(),
            gate: Gate::default(),
            acks: Acks::default(),
            watch: Watch::new(now),
            fetching: None,
            marking: None,
            sending: FuturesUnordered::new(),
            stopping: false,
        };
        running.run(stop).await;
    }
}

impl Running {
    async fn run(&mut self, stop: CancellationToken) {
        let pulse = self.publisher.health.pulse("publisher", Duration::from_secs(60));
        let mut leases = self.publisher.leases.clone();
        self.follow_leases().await;
        while !(stop.is_cancelled() && self.is_finished()) {
            pulse.beat();
            let stopping = stop.is_cancelled();
            self.look_at_stream();
            self.start_work(stopping).await;
            let wake = self.wake_at(stopping);
            tokio::select! {
                Some(sent) = self.sending.next() => self.answered(sent).await,
                marked = finished(&mut self.marking) => self.marked(marked),
                fetched = finished(&mut self.fetching) => self.fetched(fetched).await,
                seen = finished(&mut self.watch.looking) => self.stream_seen(seen),
                () = leases.changed() => self.follow_leases().await,
                () = tokio::time::sleep_until(wake.into()) => {}
                () = stop.cancelled(), if !stopping => self.stop_claiming(),
            }
            self.drain_ready().await;
        }
        self.save_positions().await;
        pulse.retire();
    }

    /// Takes every ack that has arrived already, so that marks and sends go out in groups.
    async fn drain_ready(&mut self) {
        while let Some(Some(sent)) = self.sending.next().now_or_never() {
            self.answered(sent).await;
        }
    }

    fn is_finished(&self) -> bool {
        self.sending.is_empty() && self.acks.is_empty() && self.marking.is_none()
    }

    fn stop_claiming(&mut self) {
        self.stopping = true;
        for lane in self.book.lanes() {
            self.book.leave(lane);
        }
    }

    async fn start_work(&mut self, stopping: bool) {
        let now = Instant::now();
        self.start_marking();
        if !stopping && self.fetching.is_none() {
            self.start_fetching(now);
        }
        if is_valid(&self.publisher.leases.now()) {
            self.send(now).await;
        }
        self.save_positions_when_due(now).await;
        self.publisher.progress.waiting(self.book.is_busy());
    }

    /// When to look again, if nothing happens before. What is overdue waits for something that ends,
    /// and that wakes by itself.
    fn wake_at(&self, stopping: bool) -> Instant {
        let now = Instant::now();
        let mut times: Vec<Instant> = self.book.next_wake().into_iter().chain(self.gate.opens_at()).collect();
        if !stopping {
            times.extend(self.looks.times());
        }
        let next = times.into_iter().filter(|at| *at > now).min();
        next.map_or(now + LOOK_EVERY, |at| at.min(now + LOOK_EVERY))
    }
}
