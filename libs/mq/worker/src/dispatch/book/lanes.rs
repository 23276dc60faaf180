//! Lanes: taken, read, left; and how far each is done.

use std::collections::{HashMap, HashSet};

use sea_mq_inbox::{AggregateKey, OpenRow, OpenState, QueuedRow};

use super::{Aggregate, Book, Head, Lane, Order, Running};

impl Book {
    /// Begins to own a lane: ready rows are read from the floor on, and this is what else is open.
    /// Returns the attempts that a former owner left open.
    pub(crate) fn adopt(&mut self, lane: i16, floor: i64, open: Vec<OpenRow>) -> Vec<OpenRow> {
        self.forget(lane);
        // Dirty: a reading that was under way for an earlier ownership shows nothing of this one.
        self.lanes.insert(lane, Lane { cursor: floor, dirty: true, ..Lane::default() });
        let mut left_open = Vec::new();
        for found in by_precedence(open) {
            let (key, id) = (found.row.key.clone(), found.row.message_id);
            let aggregate = self
                .aggregates
                .entry(key.clone())
                .or_insert_with(|| Aggregate::with_head(lane, Head::Loading));
            match found.state {
                OpenState::Running => {
                    aggregate.head = Head::Running(id);
                    self.known.insert(id);
                    // Its call may still run here, from an earlier life: then it keeps its slot.
                    let row = found.row.clone();
                    let own = self.running.entry(id);
                    own.and_modify(|running| running.row = row.clone()).or_insert(Running {
                        row,
                        probe: false,
                        calling: false,
                        held: false,
                    });
                    left_open.push(found);
                }
                OpenState::Waiting | OpenState::Dying | OpenState::Holding
                    if aggregate.head == Head::Loading =>
                {
                    aggregate.head = Head::Blocked(id);
                }
                OpenState::Holding => aggregate.holds.push(id),
                // What goes before it has its turn; it is due, or its letter is sent, all the same.
                OpenState::Waiting | OpenState::Dying => {}
                OpenState::Behind => aggregate.behind = true,
            }
        }
        self.keep_unanswered(lane);
        let headless: Vec<AggregateKey> = self
            .aggregates
            .iter()
            .filter(|(_, a)| a.lane == lane && a.head == Head::Loading)
            .map(|(key, _)| key.clone())
            .collect();
        for key in headless {
            self.order_load(&key);
        }
        left_open
    }

    /// Rows that were started or reserved before the lane began anew, and of which it is not known
    /// yet what became of them, head their aggregates until it is: nothing may pass them.
    pub(super) fn keep_unanswered(&mut self, lane: i16) {
        for (id, running) in self.running.iter().filter(|(_, running)| running.row.lane == lane) {
            let aggregate = self
                .aggregates
                .entry(running.row.key.clone())
                .or_insert_with(|| Aggregate::with_head(lane, Head::Loading));
            if aggregate.head == Head::Loading {
                aggregate.head = Head::Running(*id);
            }
        }
    }

    /// Forgets a lane. Calls that run are still settled, by their fence.
    pub(crate) fn forget(&mut self, lane: i16) {
        self.lanes.remove(&lane);
        let known = &mut self.known;
        self.aggregates.retain(|_, aggregate| {
            if aggregate.lane == lane {
                for row in &aggregate.queue {
                    known.remove(&row.message_id);
                }
            }
            aggregate.lane != lane
        });
        self.running.retain(|id, running| {
            let gone = running.row.lane == lane && !running.calling;
            if gone {
                known.remove(id);
            }
            !gone
        });
        // Orders of a lane that is no longer owned would be a zombie's.
        let unwritten = &mut self.unwritten;
        self.orders.retain(|order| match order {
            Order::PutBehind(id) | Order::Defer(id) => unwritten.get(id).is_none_or(|(of, _)| *of != lane),
            Order::Load { lane: of, .. } => *of != lane,
        });
        unwritten.retain(|_, (of, _)| *of != lane);
    }

    pub(crate) fn lanes(&self) -> Vec<i16> {
        let mut lanes: Vec<i16> = self.lanes.keys().copied().collect();
        lanes.sort_unstable();
        lanes
    }

    pub(crate) fn owns(&self, lane: i16) -> bool {
        self.lanes.contains_key(&lane)
    }

    /// Starts nothing more of a lane that is to be handed over. True once nothing of it runs.
    pub(crate) fn leave(&mut self, lane: i16) -> bool {
        if let Some(state) = self.lanes.get_mut(&lane) {
            state.leaving = true;
        }
        // What a handler's transaction holds is settled by whoever comes next.
        !self.running.values().any(|running| running.row.lane == lane && !running.held)
            && !self.unwritten.values().any(|(of, _)| *of == lane)
    }

    /// A lane that was to be handed over stays: its free heads take their turns again.
    pub(crate) fn stay(&mut self, lane: i16) {
        if let Some(state) = self.lanes.get_mut(&lane) {
            state.leaving = false;
        }
        for aggregate in self.aggregates.values().filter(|a| a.lane == lane && a.head == Head::Free) {
            if let Some(first) = aggregate.queue.front() {
                self.turns.add(first);
            }
        }
    }

    /// The lanes that are to be handed over.
    pub(crate) fn leaving(&self) -> Vec<i16> {
        self.lanes.iter().filter(|(_, state)| state.leaving).map(|(lane, _)| *lane).collect()
    }

    /// Somebody else records, or did: what is recorded has to be looked for.
    pub(crate) fn look_again(&mut self) {
        for lane in self.lanes.values_mut() {
            (lane.caught_up, lane.dirty) = (false, true);
        }
    }

    /// The lanes to be read, from where.
    pub(crate) fn unread(&mut self) -> Vec<(i16, i64)> {
        let mut unread = Vec::new();
        for (lane, state) in self.lanes.iter_mut().filter(|(_, state)| !state.caught_up && !state.leaving) {
            state.dirty = false;
            unread.push((*lane, state.cursor));
        }
        unread.sort_unstable();
        unread
    }

    /// Ready rows that were read from `asked`, at most `per_lane` of each lane.
    pub(crate) fn read(&mut self, asked: &[(i16, i64)], rows: Vec<QueuedRow>, per_lane: usize) {
        let mut counts: HashMap<i16, usize> = HashMap::new();
        let valid: HashSet<i16> = asked
            .iter()
            .filter(|(lane, after)| self.lanes.get(lane).is_some_and(|state| state.cursor == *after))
            .map(|(lane, _)| *lane)
            .collect();
        for row in rows.into_iter().filter(|row| valid.contains(&row.lane)) {
            *counts.entry(row.lane).or_default() += 1;
            if let Some(state) = self.lanes.get_mut(&row.lane) {
                state.cursor = state.cursor.max(row.pos);
            }
            self.enqueue(row);
        }
        for lane in valid {
            let full = counts.get(&lane).copied().unwrap_or(0) >= per_lane;
            if let Some(state) = self.lanes.get_mut(&lane)
                && !full
                && !state.dirty
            {
                state.caught_up = true;
            }
        }
    }

    /// Rows that this very instance has just recorded as ready. Those of a lane that is behind are
    /// left to its next reading.
    pub(crate) fn recorded(&mut self, rows: Vec<QueuedRow>) {
        for row in rows {
            let Some(state) = self.lanes.get_mut(&row.lane) else { continue };
            if state.caught_up {
                state.cursor = state.cursor.max(row.pos);
                self.enqueue(row);
            } else {
                state.dirty = true;
            }
        }
    }

    /// Per lane, the place up to which no row is ready in the database.
    pub(crate) fn floors(&self) -> Vec<(i16, i64)> {
        let mut floors: HashMap<i16, i64> = self.lanes.iter().map(|(lane, s)| (*lane, s.cursor)).collect();
        let queued = self.aggregates.values().flat_map(|aggregate| &aggregate.queue);
        for row in queued.chain(self.running.values().map(|running| &running.row)) {
            if let Some(floor) = floors.get_mut(&row.lane) {
                *floor = (*floor).min(row.pos - 1);
            }
        }
        for (lane, pos) in self.unwritten.values() {
            if let Some(floor) = floors.get_mut(lane) {
                *floor = (*floor).min(pos - 1);
            }
        }
        let mut floors: Vec<(i16, i64)> = floors.into_iter().collect();
        floors.sort_unstable();
        floors
    }
}

/// What goes on first stands first: it heads its aggregate.
fn by_precedence(mut open: Vec<OpenRow>) -> Vec<OpenRow> {
    open.sort_by_key(|found| match found.state {
        OpenState::Running => 0,
        OpenState::Waiting => 1,
        OpenState::Dying => 2,
        OpenState::Holding => 3,
        OpenState::Behind => 4,
    });
    open
}
