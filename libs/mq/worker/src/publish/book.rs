//! What the publisher has in hand: pure bookkeeping, no I/O.
//!
//! ```text
//!  claimed ──▶ queued ──sent──▶ in flight ──acked──▶ stored ──marked──▶ (forgotten)
//!                ▲                  │                   │
//!                └──outage, again───┤                   └──its stream is gone──▶ (claimed again)
//!                                   └──refused──▶ parked; its aggregate's queue ──▶ held
//! ```
//!
//! Of one aggregate at most one event is in flight, and always the first of its queue.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use sea_mq_outbox::{Claimed, Cursor, Position};
use uuid::Uuid;

/// First wait of an aggregate whose event was not taken, and the longest.
const AGAIN: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

/// What keeps order in the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Aggregate(Option<String>, String),
    Single(Uuid),
}

#[derive(Debug, Default)]
struct Lane {
    cursor: i64,
    /// Nothing above the cursor, as far as is known.
    drained: bool,
    /// Sequences that are in hand: queued, in flight, or stored and not marked.
    in_hand: BTreeSet<i64>,
    /// To be handed over: nothing more is claimed.
    leaving: bool,
}

#[derive(Debug)]
struct Queue {
    rows: VecDeque<Claimed>,
    in_flight: bool,
    failures: u32,
    not_before: Option<Instant>,
}

/// One event to send.
#[derive(Clone, Debug)]
pub(crate) struct ToSend {
    pub(crate) row: Claimed,
    /// How often it was sent before.
    pub(crate) failures: u32,
}

/// A row whose aggregate has a parked one before it: it is to be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Behind {
    pub(crate) id: Uuid,
    pub(crate) lane: i16,
    pub(crate) seq: i64,
}

#[derive(Debug, Default)]
pub(crate) struct Book {
    lanes: HashMap<i16, Lane>,
    queues: HashMap<Key, Queue>,
    /// Keys whose first event may be sent, in order of arrival.
    turn: VecDeque<Key>,
    /// Keys that wait after a failure.
    later: Vec<Key>,
    bytes: usize,
    in_flight: usize,
    /// Aggregates of which an event was parked while a claim was under way.
    parked_since: HashSet<Key>,
}

impl From<&Claimed> for Behind {
    fn from(row: &Claimed) -> Self {
        Self { id: row.id, lane: row.lane, seq: row.seq }
    }
}

fn key_of(row: &Claimed) -> Key {
    match &row.aggregate_id {
        Some(id) => Key::Aggregate(row.aggregate_type.clone(), id.clone()),
        None => Key::Single(row.id),
    }
}

impl Book {
    /// Begins to own lanes from their kept positions; a lane without one is read from the start.
    pub(crate) fn own(&mut self, lane: i16, position: Option<&Position>) {
        let cursor = position.map_or(0, |p| p.floor);
        self.lanes.insert(lane, Lane { cursor, ..Lane::default() });
    }

    /// Forgets a lane and what was queued for it. What is in flight may still be answered.
    pub(crate) fn disown(&mut self, lane: i16) {
        self.lanes.remove(&lane);
        let mut freed = 0;
        self.queues.retain(|_, queue| {
            let gone = queue.rows.front().is_none_or(|row| row.lane == lane);
            if gone {
                freed += queue.rows.iter().map(|row| row.payload.len()).sum::<usize>();
            }
            !gone
        });
        self.bytes = self.bytes.saturating_sub(freed);
    }

    pub(crate) fn owns(&self, lane: i16) -> bool {
        self.lanes.contains_key(&lane)
    }

    pub(crate) fn lanes(&self) -> Vec<i16> {
        self.lanes.keys().copied().collect()
    }

    /// Stops claiming for a lane that is to be handed over. True once nothing of it is in hand.
    pub(crate) fn leave(&mut self, lane: i16) -> bool {
        let Some(state) = self.lanes.get_mut(&lane) else { return false };
        state.leaving = true;
        self.drop_unsent(lane);
        self.lanes.get(&lane).is_some_and(|state| state.in_hand.is_empty())
    }

    /// The lanes that are to be handed over.
    pub(crate) fn leaving(&self) -> Vec<i16> {
        self.lanes.iter().filter(|(_, state)| state.leaving).map(|(lane, _)| *lane).collect()
    }

    /// Drops the queued rows of a lane that are not in flight.
    fn drop_unsent(&mut self, lane: i16) {
        let (lanes, bytes) = (&mut self.lanes, &mut self.bytes);
        self.queues.retain(|_, queue| {
            if queue.rows.front().is_none_or(|row| row.lane != lane) {
                return true;
            }
            let keep = usize::from(queue.in_flight);
            for row in queue.rows.drain(keep..) {
                *bytes = bytes.saturating_sub(row.payload.len());
                if let Some(state) = lanes.get_mut(&lane) {
                    state.in_hand.remove(&row.seq);
                    // The floor that is kept must not pass what was not sent.
                    state.cursor = state.cursor.min(row.seq - 1);
                    state.drained = false;
                }
            }
            keep == 1
        });
    }

    /// Rows became visible: a lane whose lowest one lies below its cursor steps back.
    pub(crate) fn heard(&mut self, news: &[(i16, i64)]) {
        for (lane, lowest) in news {
            if let Some(state) = self.lanes.get_mut(lane) {
                // Rows in hand are read once more and skipped: the lowest may hide a later one.
                state.cursor = state.cursor.min(lowest - 1);
                state.drained = false;
            }
        }
    }

    /// The lanes to claim from: not drained, and with room for more.
    pub(crate) fn cursors(&self, per_lane: usize) -> Vec<Cursor> {
        let mut cursors: Vec<Cursor> = self
            .lanes
            .iter()
            .filter(|(_, state)| !state.drained && !state.leaving && state.in_hand.len() <= per_lane / 2)
            .map(|(lane, state)| Cursor { lane: *lane, after: state.cursor })
            .collect();
        cursors.sort_unstable_by_key(|cursor| cursor.lane);
        cursors
    }

    /// True when the lane is owned and its cursor is where it was.
    pub(crate) fn stands_at(&self, cursor: Cursor) -> bool {
        self.lanes.get(&cursor.lane).is_some_and(|state| state.cursor == cursor.after)
    }

    /// A claim begins: what is parked from here on may be missing from its answer.
    pub(crate) fn claiming(&mut self) {
        self.parked_since.clear();
    }

    /// Takes claimed rows in hand. `asked` are the cursors that the claim was made with, `from` where
    /// it read from after stepping back, `per_lane` its bound, and `cut` whether the byte bound ended it.
    /// Returns the rows to hold.
    pub(crate) fn take(
        &mut self,
        asked: &[Cursor],
        from: &[Cursor],
        rows: Vec<Claimed>,
        per_lane: usize,
        cut: bool,
    ) -> Vec<Behind> {
        let mut count: HashMap<i16, usize> = HashMap::new();
        let mut hold = Vec::new();
        // A lane that was lost and taken again while the claim was under way begins anew.
        let valid: HashMap<i16, i64> =
            asked.iter().filter(|c| self.stands_at(**c)).map(|c| (c.lane, c.after)).collect();
        for cursor in from.iter().filter(|c| valid.contains_key(&c.lane)) {
            if let Some(state) = self.lanes.get_mut(&cursor.lane) {
                state.cursor = cursor.after;
            }
        }
        for row in rows.into_iter().filter(|row| valid.contains_key(&row.lane)) {
            *count.entry(row.lane).or_default() += 1;
            let Some(state) = self.lanes.get_mut(&row.lane) else { continue };
            state.cursor = state.cursor.max(row.seq);
            if state.in_hand.contains(&row.seq) {
                continue;
            }
            if row.behind_parked || self.parked_since.contains(&key_of(&row)) {
                hold.push(Behind::from(&row));
            } else {
                state.in_hand.insert(row.seq);
                self.bytes += row.payload.len();
                enqueue(&mut self.queues, &mut self.turn, row);
            }
        }
        for (lane, before) in valid {
            let taken = count.get(&lane).copied().unwrap_or(0);
            if let Some(state) = self.lanes.get_mut(&lane)
                && taken < per_lane
                && !cut
            {
                (state.drained, state.cursor) = (true, state.cursor.max(before));
            }
        }
        hold
    }

    /// The next event to send, if any: the first of an aggregate that has none in flight.
    pub(crate) fn next_to_send(&mut self, now: Instant) -> Option<ToSend> {
        self.wake(now);
        while let Some(key) = self.turn.pop_front() {
            let Some(queue) = self.queues.get_mut(&key) else { continue };
            if queue.in_flight {
                continue;
            }
            let Some(row) = queue.rows.front().cloned() else {
                self.queues.remove(&key);
                continue;
            };
            queue.in_flight = true;
            self.in_flight += 1;
            return Some(ToSend { row, failures: queue.failures });
        }
        None
    }

    fn wake(&mut self, now: Instant) {
        if self.later.is_empty() {
            return;
        }
        let (queues, turn) = (&self.queues, &mut self.turn);
        self.later.retain(|key| match queues.get(key) {
            Some(queue) if queue.not_before.is_some_and(|at| at > now) => true,
            Some(_) => {
                turn.push_back(key.clone());
                false
            }
            None => false,
        });
    }

    /// When the next aggregate that failed may be tried again.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        self.later.iter().filter_map(|key| self.queues.get(key)?.not_before).min()
    }

    /// The event is stored: the next of its aggregate may go. Its row stays in hand until marked.
    pub(crate) fn acked(&mut self, row: &Claimed) {
        self.in_flight -= 1;
        let key = key_of(row);
        let Some(queue) = self.queues.get_mut(&key) else { return };
        if queue.rows.front().is_none_or(|first| first.id != row.id) {
            return;
        }
        queue.rows.pop_front();
        self.bytes = self.bytes.saturating_sub(row.payload.len());
        (queue.in_flight, queue.failures, queue.not_before) = (false, 0, None);
        if queue.rows.is_empty() {
            self.queues.remove(&key);
        } else {
            self.turn.push_back(key);
        }
    }

    /// The event may or may not be stored: it is sent again, before the next of its aggregate.
    pub(crate) fn failed(&mut self, row: &Claimed, now: Instant) {
        self.in_flight -= 1;
        let key = key_of(row);
        let Some(queue) = self.queues.get_mut(&key) else { return };
        if queue.rows.front().is_none_or(|first| first.id != row.id) {
            return;
        }
        queue.in_flight = false;
        // Not in flight any more, so it stands in the order again: behind what came up before it.
        if let Some(first) = queue.rows.pop_front() {
            let place = queue.rows.iter().position(|r| r.seq > first.seq).unwrap_or(queue.rows.len());
            queue.rows.insert(place, first);
        }
        let wait = AGAIN.0.saturating_mul(1 << queue.failures.min(10)).min(AGAIN.1);
        queue.failures += 1;
        queue.not_before = Some(now + wait);
        self.later.push(key);
    }

    /// The event was parked: it leaves, and those queued behind it are returned to be held.
    pub(crate) fn parked(&mut self, row: &Claimed) -> Vec<Behind> {
        self.in_flight -= 1;
        self.parked_since.insert(key_of(row));
        let Some(queue) = self.queues.remove(&key_of(row)) else { return Vec::new() };
        let state = self.lanes.get_mut(&row.lane);
        if let Some(state) = state {
            for row in &queue.rows {
                state.in_hand.remove(&row.seq);
            }
        }
        self.bytes = self.bytes.saturating_sub(queue.rows.iter().map(|r| r.payload.len()).sum());
        queue.rows.iter().filter(|queued| queued.id != row.id).map(Behind::from).collect()
    }

    /// Rows could not be held: they are read again, and no floor passes them until then.
    pub(crate) fn unheld(&mut self, rows: &[Behind]) {
        for row in rows {
            self.heard(&[(row.lane, row.seq)]);
        }
    }

    /// Rows are marked published, or are no longer to be: they leave the hand.
    pub(crate) fn marked<'a>(&mut self, rows: impl IntoIterator<Item = &'a (i16, i64)>) {
        for (lane, seq) in rows {
            if let Some(state) = self.lanes.get_mut(lane) {
                state.in_hand.remove(seq);
            }
        }
    }

    /// Rows that were acknowledged are not stored after all: they are read again, and before them
    /// nothing of their lanes that was not sent yet.
    pub(crate) fn unstored(&mut self, rows: &[(i16, i64)]) {
        let lanes: BTreeSet<i16> = rows.iter().map(|(lane, _)| *lane).collect();
        for lane in lanes {
            self.drop_unsent(lane);
        }
        self.marked(rows);
        self.heard(rows);
    }

    /// Per lane, the sequence up to which nothing is left to do, in the snapshot of the last look.
    pub(crate) fn floors(&self) -> Vec<(i16, i64)> {
        let mut floors: Vec<(i16, i64)> = self
            .lanes
            .iter()
            .map(|(lane, state)| {
                let lowest = state.in_hand.first().map_or(state.cursor, |seq| (seq - 1).min(state.cursor));
                (*lane, lowest)
            })
            .collect();
        floors.sort_unstable();
        floors
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// True when something is claimed and not yet marked.
    pub(crate) fn is_busy(&self) -> bool {
        self.in_flight > 0 || self.lanes.values().any(|state| !state.in_hand.is_empty())
    }
}

fn enqueue(queues: &mut HashMap<Key, Queue>, turn: &mut VecDeque<Key>, row: Claimed) {
    let key = key_of(&row);
    let queue = queues.entry(key.clone()).or_insert_with(|| Queue {
        rows: VecDeque::new(),
        in_flight: false,
        failures: 0,
        not_before: None,
    });
    // A late row of the aggregate goes where its sequence belongs, but never before one in flight.
    let fixed = usize::from(queue.in_flight);
    let place =
        queue.rows.iter().skip(fixed).position(|r| r.seq > row.seq).map_or(queue.rows.len(), |n| n + fixed);
    queue.rows.insert(place, row);
    if queue.rows.len() == 1 {
        turn.push_back(key);
    }
}

#[cfg(test)]
mod tests;
