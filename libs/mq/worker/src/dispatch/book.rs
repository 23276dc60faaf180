//! What dispatch knows of its lanes: pure bookkeeping, no I/O.
//!
//! ```text
//!  an aggregate's head:
//!
//!    free ──started──▶ running ──processed──▶ next of the queue is free
//!     ▲                   │
//!     │                   ├──failed, given up──▶ blocked; its queue goes behind (in the database)
//!     └──due, loaded──────┴───────────────────────┘
//! ```
//!
//! Rows that are behind a blocked head are not kept here: they are read back, a few at a time, when
//! the head is done. So memory grows with the aggregates that are blocked, not with their events.

mod ending;
mod lanes;
mod queueing;
mod starting;
mod turns;

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use sea_mq_dispatch::ProbePace;
use sea_mq_inbox::{AggregateKey, QueuedRow};
use uuid::Uuid;

use super::pace::Pace;
use turns::Turns;

/// Rows of one aggregate that are read back at a time.
pub(crate) const LOAD: usize = 16;
/// After a call that ran alone the others go on for as long as it has stopped them, within these.
const BETWEEN_ALONE: (Duration, Duration) = (Duration::from_millis(2), Duration::from_secs(1));

/// What the database is to be told or asked, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Ready rows wait behind their aggregate's head.
    PutBehind(Uuid),
    /// Ready or waiting rows of a failing type wait, uncounted, so that they fill no window.
    Defer(Uuid),
    /// The next rows of an aggregate are needed; the number tells this reading from earlier ones.
    Load { lane: i16, key: AggregateKey, number: u64 },
}

#[derive(Debug, Default)]
struct Lane {
    cursor: i64,
    /// All that is recorded above the cursor is known here.
    caught_up: bool,
    /// Something was recorded while the lane was being read.
    dirty: bool,
    leaving: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    Free,
    Running(Uuid),
    Blocked(Uuid),
    /// Given back by a handler that was not there: its queue stays, and counts as ready to run.
    Returned(Uuid),
    Loading,
}

impl Head {
    /// True when the aggregate goes on with, or after, this message.
    fn waits_for(self, id: Uuid) -> bool {
        match self {
            Self::Blocked(head) | Self::Returned(head) => head == id,
            Self::Free | Self::Running(_) | Self::Loading => false,
        }
    }
}

#[derive(Debug)]
struct Aggregate {
    lane: i16,
    head: Head,
    queue: VecDeque<QueuedRow>,
    /// More of it is behind in the database.
    behind: bool,
    /// Rows were put behind after the reading that is under way was ordered.
    behind_since: bool,
    /// Dead messages that hold the aggregate once its head is done.
    holds: Vec<Uuid>,
    /// The reading that is awaited.
    loading: u64,
}

impl Aggregate {
    fn with_head(lane: i16, head: Head) -> Self {
        let (queue, holds) = (VecDeque::new(), Vec::new());
        Self { lane, head, queue, behind: false, behind_since: false, holds, loading: 0 }
    }
}

/// One attempt that was started here, or is about to be.
#[derive(Clone, Debug)]
struct Running {
    row: QueuedRow,
    probe: bool,
    /// It occupies a call.
    calling: bool,
    /// It is answered, and a handler's transaction keeps that from being written.
    held: bool,
}

#[derive(Debug)]
pub(crate) struct Book {
    lanes: HashMap<i16, Lane>,
    aggregates: HashMap<AggregateKey, Aggregate>,
    known: HashSet<Uuid>,
    running: HashMap<Uuid, Running>,
    /// Attempts that are started and not answered: called, or waiting for a free call.
    calls: usize,
    /// Of those that are called, what came in a call with another: a call counts once, however many it has.
    shared: usize,
    /// Never more attempts than this.
    most: usize,
    /// So many may wait for a free call: the statements that start and settle take their time.
    ahead: usize,
    turns: Turns,
    alone: Option<Uuid>,
    next_alone: Option<Instant>,
    /// Since when the others wait for the one that is called alone.
    alone_from: Option<Instant>,
    orders: VecDeque<Order>,
    /// Readings that were ordered so far.
    loads: u64,
    /// Lane and place of rows that are still ready in the database and no longer queued here: until
    /// their order is carried out, the floor stays below them.
    unwritten: HashMap<Uuid, (i16, i64)>,
    pub(crate) pace: Pace,
}

impl Book {
    pub(crate) fn new(max_inflight: usize, ahead: usize, probe_pace: ProbePace) -> Self {
        Self {
            lanes: HashMap::new(),
            aggregates: HashMap::new(),
            known: HashSet::new(),
            running: HashMap::new(),
            calls: 0,
            shared: 0,
            most: max_inflight + ahead,
            ahead,
            turns: Turns::new(probe_pace),
            alone: None,
            next_alone: None,
            alone_from: None,
            orders: VecDeque::new(),
            loads: 0,
            unwritten: HashMap::new(),
            pace: Pace::new(max_inflight),
        }
    }

    pub(crate) fn is_running(&self, id: Uuid) -> bool {
        self.running.contains_key(&id)
    }

    pub(crate) fn row(&self, id: Uuid) -> Option<&QueuedRow> {
        self.running.get(&id).map(|running| &running.row)
    }

    #[cfg(test)]
    pub(crate) fn calls(&self) -> usize {
        self.calls
    }

    /// A call with so many attempts has begun.
    pub(crate) fn call_began(&mut self, attempts: usize) {
        self.shared += attempts.saturating_sub(1);
    }

    /// A call with so many attempts is over, whatever it brought.
    pub(crate) fn call_ended(&mut self, attempts: usize) {
        self.shared = self.shared.saturating_sub(attempts.saturating_sub(1));
    }

    /// The one of its failing type that shows whether the handler takes it again.
    pub(crate) fn is_probe(&self, id: Uuid) -> bool {
        self.running.get(&id).is_some_and(|running| running.probe)
    }

    /// True while something could be handled: started, or waiting for its turn.
    pub(crate) fn is_busy(&self) -> bool {
        !self.running.is_empty() || !self.turns.is_empty()
    }

    /// The messages that hold up their aggregates: waiting, dying or held.
    pub(crate) fn blockers(&self) -> Vec<Uuid> {
        self.aggregates
            .values()
            .filter_map(|aggregate| match aggregate.head {
                Head::Blocked(id) | Head::Returned(id) => Some(id),
                Head::Free | Head::Running(_) | Head::Loading => None,
            })
            .collect()
    }

    /// Goes on with the aggregate that `id` blocked.
    pub(crate) fn unblocked(&mut self, id: Uuid) {
        for aggregate in self.aggregates.values_mut().filter(|a| !a.holds.is_empty()) {
            aggregate.holds.retain(|held| *held != id);
        }
        let found = self.aggregates.iter().find(|(_, a)| a.head.waits_for(id));
        if let Some((key, head)) = found.map(|(key, a)| (key.clone(), a.head)) {
            self.advance(&key, head);
        }
    }

    /// When the next probe of a failing type, or the next call alone, may start.
    pub(crate) fn opens_at(&self) -> Option<Instant> {
        let alone = self.next_alone.filter(|_| self.turns.has_suspects());
        [alone, self.turns.opens_at()].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests;
