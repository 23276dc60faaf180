//! What an answer, a settlement or a stored letter does to an aggregate.

use std::time::{Duration, Instant};

use sea_mq_inbox::AggregateKey;
use uuid::Uuid;

use super::{Aggregate, BETWEEN_ALONE, Book, Head, Order, Running};

impl Book {
    /// The call of an attempt has ended, whatever it brought.
    pub(crate) fn answered(&mut self, id: Uuid, now: Instant) {
        self.give_up_slot(id);
        if self.alone == Some(id) {
            self.alone = None;
            let took =
                self.alone_from.take().map_or(Duration::ZERO, |from| now.saturating_duration_since(from));
            self.next_alone = Some(now + took.clamp(BETWEEN_ALONE.0, BETWEEN_ALONE.1));
        }
    }

    /// An attempt that was started is not called: a probe leaves its type to the next.
    pub(crate) fn not_called(&mut self, id: Uuid, now: Instant) {
        self.answered(id, now);
        self.inconclusive(id);
    }

    /// The handler succeeded. True when its type had been failing.
    pub(crate) fn succeeded(&mut self, id: Uuid) -> Option<String> {
        self.pace.succeeded();
        let event_type = self.running.get(&id)?.row.event_type.clone();
        self.turns.succeeded(&event_type).then_some(event_type)
    }

    /// The handler failed transiently. The type, when it just became a failing one.
    pub(crate) fn failed(&mut self, id: Uuid, now: Instant) -> Option<String> {
        let running = self.running.get(&id)?;
        self.turns.failed(&running.row, running.probe, now).then(|| running.row.event_type.clone())
    }

    /// The call said nothing about the type (poison, or the handler was never reached).
    pub(crate) fn inconclusive(&mut self, id: Uuid) {
        if let Some(running) = self.running.get(&id) {
            self.turns.inconclusive(&running.row.event_type, running.probe);
        }
    }

    /// The settlement of an answer waits for a handler's transaction.
    pub(crate) fn held(&mut self, id: Uuid) {
        if let Some(running) = self.running.get_mut(&id) {
            running.held = true;
        }
    }

    /// Marks a row that is already known to wait; its aggregate's queue goes behind it.
    pub(crate) fn blocked(&mut self, id: Uuid) {
        let Some(running) = self.end(id) else { return };
        self.block(&running.row.key, id);
    }

    /// A row that was given back waits, due at once; nothing is put behind it.
    pub(crate) fn returned(&mut self, id: Uuid) {
        let Some(running) = self.end(id) else { return };
        if let Some(aggregate) = self.aggregates.get_mut(&running.row.key) {
            aggregate.head = Head::Returned(id);
        }
    }

    pub(super) fn block(&mut self, key: &AggregateKey, id: Uuid) {
        let Some(aggregate) = self.aggregates.get_mut(key) else { return };
        aggregate.head = Head::Blocked(id);
        for row in aggregate.queue.drain(..) {
            self.known.remove(&row.message_id);
            aggregate.behind = true;
            self.unwritten.insert(row.message_id, (row.lane, row.pos));
            self.orders.push_back(Order::PutBehind(row.message_id));
        }
    }

    /// The message is done: the next of its aggregate is free.
    pub(crate) fn finished(&mut self, id: Uuid) {
        let Some(running) = self.end(id) else { return };
        self.advance(&running.row.key, Head::Running(id));
    }

    /// A row that was to be started could not be: it keeps its place.
    pub(crate) fn requeue(&mut self, id: Uuid) {
        let Some(running) = self.end(id) else { return };
        match self.aggregates.get_mut(&running.row.key) {
            Some(aggregate) if aggregate.head == Head::Running(id) => {
                aggregate.head = Head::Free;
                self.known.insert(id);
                self.turns.add(&running.row);
                aggregate.queue.push_front(running.row);
            }
            // Its lane began anew in between: it is to be read again.
            Some(_) | None => {
                if let Some(lane) = self.lanes.get_mut(&running.row.lane) {
                    lane.cursor = lane.cursor.min(running.row.pos - 1);
                    (lane.caught_up, lane.dirty) = (false, true);
                }
            }
        }
    }

    /// A blocked message is done (its letter is stored, or it holds no longer). `held` blocks its
    /// aggregate until it is redriven or discarded.
    pub(crate) fn closed(&mut self, key: &AggregateKey, lane: i16, id: Uuid, held: bool) {
        self.end(id);
        if !held {
            // Running, if the answer to its giving up was lost.
            self.advance(key, Head::Running(id));
            return self.advance(key, Head::Blocked(id));
        }
        if self.owns(lane) && matches!(key, AggregateKey::Aggregate(..)) {
            let aggregate = self
                .aggregates
                .entry(key.clone())
                .or_insert_with(|| Aggregate::with_head(lane, Head::Blocked(id)));
            match aggregate.head {
                Head::Free => self.block(key, id),
                Head::Running(head) if head == id => self.block(key, id),
                head if head.waits_for(id) => self.block(key, id),
                // Its head goes on; the aggregate stops after it.
                Head::Running(_) | Head::Blocked(_) | Head::Returned(_) | Head::Loading => {
                    aggregate.holds.push(id);
                }
            }
        }
    }

    pub(super) fn end(&mut self, id: Uuid) -> Option<Running> {
        self.known.remove(&id);
        let running = self.running.remove(&id)?;
        if running.calling {
            self.calls -= 1;
        }
        if self.alone == Some(id) {
            (self.alone, self.alone_from) = (None, None);
        }
        Some(running)
    }

    /// Goes on with an aggregate whose head was `from`.
    pub(super) fn advance(&mut self, key: &AggregateKey, from: Head) {
        let Some(aggregate) = self.aggregates.get_mut(key).filter(|aggregate| aggregate.head == from) else {
            return;
        };
        if let Some(held) = aggregate.holds.pop() {
            self.block(key, held);
        } else if let Some(next) = aggregate.queue.front() {
            aggregate.head = Head::Free;
            self.turns.add(next);
        } else if aggregate.behind {
            self.order_load(key);
        } else {
            self.aggregates.remove(key);
        }
    }

    /// Takes rows of failing types beyond a few out of the queues: they wait in the database, or
    /// they would fill the window and hold up the other types.
    pub(crate) fn defer_failing(&mut self) {
        for key in self.turns.overflow() {
            let Some(aggregate) = self.aggregates.get_mut(&key).filter(|a| a.head == Head::Free) else {
                continue;
            };
            let Some(row) = aggregate.queue.pop_front() else { continue };
            self.known.remove(&row.message_id);
            self.unwritten.insert(row.message_id, (row.lane, row.pos));
            self.orders.push_back(Order::Defer(row.message_id));
            self.block(&key, row.message_id);
        }
    }
}
