//! Which rows start, and how many at a time.

use std::time::Instant;

use sea_mq_event::LANES;
use sea_mq_inbox::{AggregateKey, QueuedRow};
use uuid::Uuid;

use super::{Aggregate, Book, Head, Running};

impl Book {
    /// The rows to start now, within the bounds; they count as running from here on.
    pub(crate) fn start(&mut self, now: Instant, at_most: usize) -> Vec<Uuid> {
        let mut started = Vec::new();
        if self.alone.is_some() {
            return started;
        }
        if self.turns.has_suspects() && self.next_alone.is_none_or(|at| now >= at) {
            // The one that is called alone waits until everything else has ended.
            self.alone_from.get_or_insert(now);
            if self.calls == 0 && self.pace.room(0, now) > 0 {
                started.extend(self.start_alone());
                // None of them is there any more: nobody waits.
                self.alone_from = self.alone_from.filter(|_| self.alone.is_some());
            }
            if self.calls > 0 || self.alone.is_some() {
                return started;
            }
        }
        if self.is_not_worth_it(now) {
            return started;
        }
        while started.len() < at_most && self.has_room(now) {
            let Some(key) = self.turns.next(now) else { break };
            started.extend(self.start_head(&key));
        }
        started
    }

    pub(super) fn has_room(&self, now: Instant) -> bool {
        self.free(now) > 0
    }

    /// While the handler is fast and enough is started for it, a statement waits for more rows.
    fn is_not_worth_it(&self, now: Instant) -> bool {
        self.pace.is_fast(now)
            && self.occupied() > self.pace.room(0, now)
            && self.free(now) < self.pace.worth(now, self.ahead)
    }

    /// How many more may start. A call that hangs takes one place, whatever came in it.
    fn free(&self, now: Instant) -> usize {
        let free = self.capacity(now).saturating_sub(self.occupied());
        free.min(self.most.saturating_sub(self.calls))
    }

    fn occupied(&self) -> usize {
        self.calls.saturating_sub(self.shared)
    }

    /// Attempts that may be started and not answered at a time.
    pub(super) fn capacity(&self, now: Instant) -> usize {
        match self.pace.room(0, now) {
            0 => 0,
            at_once => at_once + self.pace.ahead(now, self.ahead),
        }
    }

    /// When the handler is fast: how many rows that are recorded now could start at once, and how many
    /// of them are worth a statement. Recording more would only cost a statement more for each.
    pub(crate) fn startable(&self, now: Instant) -> Option<(usize, usize)> {
        if !self.pace.is_fast(now) || self.alone.is_some() || self.turns.has_suspects() {
            return None;
        }
        let free = self.free(now).saturating_sub(self.turns.startable());
        let (all, own) = (usize::try_from(LANES).unwrap_or(1), self.lanes.len().max(1));
        Some((free * all / own, self.pace.worth(now, self.ahead)))
    }

    /// False for an attempt that waits for its call while its lane was lost, or its type has begun to
    /// fail and it is not the probe: it goes back uncounted.
    pub(crate) fn may_be_called(&self, id: Uuid) -> bool {
        self.running.get(&id).is_some_and(|running| {
            self.owns(running.row.lane) && (running.probe || !self.turns.is_failing(&running.row.event_type))
        })
    }

    pub(super) fn start_alone(&mut self) -> Option<Uuid> {
        while let Some(key) = self.turns.next_suspect() {
            if let Some(id) = self.start_head(&key) {
                self.alone = Some(id);
                return Some(id);
            }
        }
        None
    }

    pub(super) fn start_head(&mut self, key: &AggregateKey) -> Option<Uuid> {
        let aggregate = self.aggregates.get_mut(key).filter(|aggregate| aggregate.head == Head::Free)?;
        if self.lanes.get(&aggregate.lane).is_none_or(|lane| lane.leaving) {
            return None;
        }
        let row = aggregate.queue.pop_front()?;
        let id = row.message_id;
        aggregate.head = Head::Running(id);
        let probe = self.turns.started(&row);
        self.calls += 1;
        self.running.insert(id, Running { row, probe, calling: true, held: false });
        Some(id)
    }

    /// Reserves a call for a row that is about to be recorded, if it could start at once.
    pub(crate) fn reserve(&mut self, row: &QueuedRow, now: Instant) -> bool {
        let lane_ready = self.lanes.get(&row.lane).is_some_and(|lane| lane.caught_up && !lane.leaving);
        let free = lane_ready
            && self.alone.is_none()
            && !self.turns.has_suspects()
            && !self.aggregates.contains_key(&row.key)
            && !self.known.contains(&row.message_id)
            && self.turns.is_idle(&row.event_type)
            && self.has_room(now);
        if free {
            self.known.insert(row.message_id);
            self.calls += 1;
            let running = Running { row: row.clone(), probe: false, calling: true, held: false };
            self.running.insert(row.message_id, running);
            let head = Head::Running(row.message_id);
            self.aggregates.insert(row.key.clone(), Aggregate::with_head(row.lane, head));
        }
        free
    }

    /// A reserved row was not recorded here: its reservation ends, unless it has turned out to run.
    pub(crate) fn unreserve(&mut self, id: Uuid) {
        if self.running.get(&id).is_some_and(|running| running.row.pos == i64::MAX) {
            self.finished(id);
        } else {
            self.give_up_slot(id);
        }
    }

    pub(super) fn give_up_slot(&mut self, id: Uuid) {
        if let Some(running) = self.running.get_mut(&id).filter(|running| running.calling) {
            running.calling = false;
            self.calls -= 1;
        }
    }

    /// A reserved row was recorded at this place.
    pub(crate) fn placed(&mut self, id: Uuid, pos: i64) {
        if let Some(running) = self.running.get_mut(&id) {
            running.row.pos = pos;
            if let Some(lane) = self.lanes.get_mut(&running.row.lane).filter(|lane| lane.caught_up) {
                lane.cursor = lane.cursor.max(pos);
            }
        }
    }

    /// Where a row is of which it was not known whether it is recorded.
    pub(crate) fn located(&mut self, id: Uuid, pos: i64) {
        if let Some(running) = self.running.get_mut(&id) {
            running.row.pos = pos;
        }
    }
}
