//! Whose turn it is: event types in turn, fresh events before retried ones; pure.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use sea_mq_dispatch::ProbePace;
use sea_mq_inbox::{AggregateKey, QueuedRow};

use crate::dispatch::health::TypeHealth;

/// One in so many starts is a retried event's, when fresh ones wait as well.
const RETRIED_EVERY: u32 = 4;
/// So many aggregates of a failing type stay queued; more would only fill the window.
const FAILING_QUEUE: usize = 64;

#[derive(Debug, Default)]
struct TypeQueue {
    fresh: VecDeque<AggregateKey>,
    retried: VecDeque<AggregateKey>,
    served: u32,
    health: TypeHealth,
}

impl TypeQueue {
    fn len(&self) -> usize {
        self.fresh.len() + self.retried.len()
    }

    /// Fresh first: a probe with the fewest attempts behind it costs the backlog the least.
    fn pop(&mut self) -> Option<AggregateKey> {
        self.served = self.served.wrapping_add(1);
        if self.served.is_multiple_of(RETRIED_EVERY) && !self.health.is_failing() {
            self.retried.pop_front().or_else(|| self.fresh.pop_front())
        } else {
            self.fresh.pop_front().or_else(|| self.retried.pop_front())
        }
    }
}

/// The aggregates whose head is free. An entry may have become stale; the book checks.
#[derive(Debug)]
pub(super) struct Turns {
    types: HashMap<String, TypeQueue>,
    order: VecDeque<String>,
    suspects: VecDeque<AggregateKey>,
    pace: ProbePace,
}

impl Turns {
    pub(super) fn new(pace: ProbePace) -> Self {
        Self { types: HashMap::new(), order: VecDeque::new(), suspects: VecDeque::new(), pace }
    }

    pub(super) fn add(&mut self, head: &QueuedRow) {
        if head.suspect {
            self.suspects.push_back(head.key.clone());
            return;
        }
        let queue = self.types.entry(head.event_type.clone()).or_default();
        if queue.len() == 0 {
            self.order.push_back(head.event_type.clone());
        }
        if head.attempts == 0 { &mut queue.fresh } else { &mut queue.retried }.push_back(head.key.clone());
    }

    /// The aggregate whose head is to be started next.
    pub(super) fn next(&mut self, now: Instant) -> Option<AggregateKey> {
        for _ in 0..self.order.len() {
            let event_type = self.order.pop_front()?;
            let Some(queue) = self.types.get_mut(&event_type) else { continue };
            if !queue.health.allows(now) {
                self.order.push_back(event_type);
                continue;
            }
            let key = queue.pop();
            if queue.len() > 0 {
                self.order.push_back(event_type);
            }
            if key.is_some() {
                return key;
            }
        }
        None
    }

    pub(super) fn next_suspect(&mut self) -> Option<AggregateKey> {
        self.suspects.pop_front()
    }

    pub(super) fn has_suspects(&self) -> bool {
        !self.suspects.is_empty()
    }

    /// Aggregates whose head may start when a call is free; some may have become stale.
    pub(super) fn startable(&self) -> usize {
        self.types.values().filter(|queue| !queue.health.is_failing()).map(TypeQueue::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty() && self.suspects.is_empty()
    }

    /// Nobody of the type waits, and it is healthy.
    pub(super) fn is_idle(&self, event_type: &str) -> bool {
        self.types.get(event_type).is_none_or(|queue| queue.len() == 0 && !queue.health.is_failing())
    }

    pub(super) fn is_failing(&self, event_type: &str) -> bool {
        self.types.get(event_type).is_some_and(|queue| queue.health.is_failing())
    }

    /// True when this start is a probe of a failing type.
    pub(super) fn started(&mut self, row: &QueuedRow) -> bool {
        self.types.entry(row.event_type.clone()).or_default().health.started()
    }

    pub(super) fn succeeded(&mut self, event_type: &str) -> bool {
        self.types.get_mut(event_type).is_some_and(|queue| queue.health.succeeded())
    }

    pub(super) fn failed(&mut self, row: &QueuedRow, probe: bool, now: Instant) -> bool {
        let queue = self.types.entry(row.event_type.clone()).or_default();
        queue.health.failed(&row.key, probe, self.pace, now)
    }

    pub(super) fn inconclusive(&mut self, event_type: &str, probe: bool) {
        if let Some(queue) = self.types.get_mut(event_type) {
            queue.health.inconclusive(probe);
        }
    }

    /// Takes out what failing types have queued beyond a few, the longest retried first.
    pub(super) fn overflow(&mut self) -> Vec<AggregateKey> {
        let mut out = Vec::new();
        for queue in self.types.values_mut().filter(|queue| queue.health.is_failing()) {
            while queue.len() > FAILING_QUEUE {
                out.extend(queue.retried.pop_back().or_else(|| queue.fresh.pop_back()));
            }
        }
        out
    }

    pub(super) fn opens_at(&self) -> Option<Instant> {
        self.types.values().filter(|queue| queue.len() > 0).filter_map(|queue| queue.health.opens_at()).min()
    }
}
