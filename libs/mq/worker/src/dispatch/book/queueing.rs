//! Rows on their way to their turn: queued, behind, due, read back, overlooked.

use std::collections::HashSet;

use sea_mq_inbox::{AggregateKey, OpenRow, OpenState, QueuedRow};
use uuid::Uuid;

use super::{Aggregate, Book, Head, LOAD, Order};

impl Book {
    pub(super) fn enqueue(&mut self, row: QueuedRow) {
        if self.known.contains(&row.message_id) {
            // Of a reserved row the place may not be known yet, and the floor stays below it.
            return self.located(row.message_id, row.pos);
        }
        match self.aggregates.get_mut(&row.key) {
            Some(aggregate)
                if aggregate.behind || matches!(aggregate.head, Head::Blocked(_) | Head::Loading) =>
            {
                aggregate.behind = true;
                aggregate.behind_since = true;
                self.unwritten.insert(row.message_id, (row.lane, row.pos));
                self.orders.push_back(Order::PutBehind(row.message_id));
            }
            Some(aggregate) => {
                self.known.insert(row.message_id);
                aggregate.queue.push_back(row);
            }
            None => {
                self.known.insert(row.message_id);
                self.turns.add(&row);
                let key = row.key.clone();
                let mut aggregate = Aggregate::with_head(row.lane, Head::Free);
                aggregate.queue.push_back(row);
                self.aggregates.insert(key, aggregate);
            }
        }
    }

    /// Waiting rows that are due.
    pub(crate) fn due(&mut self, rows: Vec<QueuedRow>) {
        for row in rows {
            if self.known.contains(&row.message_id) || !self.owns(row.lane) {
                continue;
            }
            match self.aggregates.get_mut(&row.key) {
                None => self.enqueue(row),
                Some(aggregate) if aggregate.head.waits_for(row.message_id) => {
                    aggregate.head = Head::Free;
                    self.known.insert(row.message_id);
                    self.turns.add(&row);
                    aggregate.queue.push_front(row);
                }
                // Another of its aggregate is being handled: it stays due, and is seen again.
                Some(_) => {}
            }
        }
    }

    /// Rows of an aggregate that were read back; fewer than [`LOAD`] means that these are all.
    pub(crate) fn loaded(&mut self, key: &AggregateKey, number: u64, rows: Vec<QueuedRow>) {
        let Some(aggregate) = self.aggregates.get_mut(key) else { return };
        if aggregate.head != Head::Loading || aggregate.loading != number {
            return;
        }
        aggregate.behind = rows.len() >= LOAD || aggregate.behind_since;
        aggregate.queue.extend(rows);
        for row in &aggregate.queue {
            self.known.insert(row.message_id);
        }
        if let Some(held) = aggregate.holds.pop() {
            return self.block(key, held);
        }
        match aggregate.queue.front() {
            Some(first) => {
                aggregate.head = Head::Free;
                self.turns.add(first);
            }
            None if aggregate.behind => self.order_load(key),
            None => {
                self.aggregates.remove(key);
            }
        }
    }

    pub(super) fn order_load(&mut self, key: &AggregateKey) {
        if let Some(aggregate) = self.aggregates.get_mut(key) {
            (aggregate.head, aggregate.behind_since) = (Head::Loading, false);
            self.loads += 1;
            aggregate.loading = self.loads;
            let (lane, number) = (aggregate.lane, self.loads);
            self.orders.push_back(Order::Load { lane, key: key.clone(), number });
        }
    }

    /// What the database is to be told next.
    pub(crate) fn take_orders(&mut self, at_most: usize) -> Vec<Order> {
        let count = self.orders.len().min(at_most);
        self.orders.drain(..count).collect()
    }

    /// Orders that the database has carried out.
    pub(crate) fn carried_out(&mut self, orders: &[Order]) {
        for order in orders {
            match order {
                Order::PutBehind(id) | Order::Defer(id) => drop(self.unwritten.remove(id)),
                Order::Load { .. } => {}
            }
        }
    }

    /// The lowest ready rows of a lane, wherever its cursor is: those that nobody here knows of are
    /// taken in. A safety net; nothing should ever be caught in it.
    pub(crate) fn swept(&mut self, rows: Vec<QueuedRow>) -> usize {
        let unseen = |book: &Self, row: &QueuedRow| {
            book.lanes.get(&row.lane).is_some_and(|lane| lane.caught_up && row.pos <= lane.cursor)
                && !book.known.contains(&row.message_id)
                && !book.unwritten.contains_key(&row.message_id)
        };
        let mut caught = 0;
        for row in rows {
            if unseen(self, &row) {
                caught += 1;
                self.enqueue(row);
            }
        }
        caught
    }

    /// Of what is open in the database, that which an owner must know of and this one does not.
    pub(crate) fn strangers(&self, open: &[OpenRow]) -> HashSet<Uuid> {
        let unknown = |found: &&OpenRow| {
            let (id, aggregate) = (found.row.message_id, self.aggregates.get(&found.row.key));
            match found.state {
                OpenState::Running => !self.running.contains_key(&id),
                OpenState::Holding => {
                    !aggregate.is_some_and(|a| a.head.waits_for(id) || a.holds.contains(&id))
                }
                OpenState::Behind => aggregate.is_none() && !self.known.contains(&id),
                // They come up by themselves.
                OpenState::Waiting | OpenState::Dying => false,
            }
        };
        open.iter().filter(unknown).map(|found| found.row.message_id).collect()
    }

    /// Heads of a lane that are said to run and do not: nothing would ever end them.
    pub(crate) fn lost_heads(&self, lane: i16) -> HashSet<Uuid> {
        let of_lane = self.aggregates.values().filter(|aggregate| aggregate.lane == lane);
        let heads = of_lane.filter_map(|aggregate| match aggregate.head {
            Head::Running(id) => Some(id),
            Head::Free | Head::Blocked(_) | Head::Returned(_) | Head::Loading => None,
        });
        heads.filter(|id| !self.running.contains_key(id)).collect()
    }

    /// True when the next of its aggregate waits for the message to be settled.
    pub(crate) fn has_successor(&self, id: Uuid) -> bool {
        let aggregate = self.running.get(&id).and_then(|running| self.aggregates.get(&running.row.key));
        aggregate.is_some_and(|aggregate| !aggregate.queue.is_empty() || aggregate.behind)
    }
}
