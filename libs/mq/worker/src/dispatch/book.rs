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

mod turns;

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use sea_mq_dispatch::ProbePace;
use sea_mq_event::LANES;
use sea_mq_inbox::{AggregateKey, OpenRow, OpenState, QueuedRow};
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

    // ---- lanes

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
    fn keep_unanswered(&mut self, lane: i16) {
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

    // ---- queueing

    fn enqueue(&mut self, row: QueuedRow) {
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

    fn order_load(&mut self, key: &AggregateKey) {
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

    // ---- starting

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
            }
            if self.calls > 0 || self.alone.is_some() {
                return started;
            }
        }
        while started.len() < at_most && self.has_room(now) {
            let Some(key) = self.turns.next(now) else { break };
            started.extend(self.start_head(&key));
        }
        started
    }

    fn has_room(&self, now: Instant) -> bool {
        self.calls < self.capacity(now)
    }

    /// Attempts that may be started and not answered at a time.
    fn capacity(&self, now: Instant) -> usize {
        match self.pace.room(0, now) {
            0 => 0,
            at_once => at_once + self.pace.ahead(now, self.ahead),
        }
    }

    /// When the handler is fast: how many rows that are recorded now could start at once. Recording
    /// more would only cost a statement more for each.
    pub(crate) fn startable(&self, now: Instant) -> Option<usize> {
        if !self.pace.is_fast(now) || self.alone.is_some() || self.turns.has_suspects() {
            return None;
        }
        let free = self.capacity(now).saturating_sub(self.calls + self.turns.startable());
        let (all, own) = (usize::try_from(LANES).unwrap_or(1), self.lanes.len().max(1));
        Some(free * all / own)
    }

    /// False for an attempt that waits for its call while its lane was lost, or its type has begun to
    /// fail and it is not the probe: it goes back uncounted.
    pub(crate) fn may_be_called(&self, id: Uuid) -> bool {
        self.running.get(&id).is_some_and(|running| {
            self.owns(running.row.lane) && (running.probe || !self.turns.is_failing(&running.row.event_type))
        })
    }

    fn start_alone(&mut self) -> Option<Uuid> {
        while let Some(key) = self.turns.next_suspect() {
            if let Some(id) = self.start_head(&key) {
                self.alone = Some(id);
                return Some(id);
            }
        }
        None
    }

    fn start_head(&mut self, key: &AggregateKey) -> Option<Uuid> {
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

    fn give_up_slot(&mut self, id: Uuid) {
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

    // ---- ending

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

    fn block(&mut self, key: &AggregateKey, id: Uuid) {
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

    fn end(&mut self, id: Uuid) -> Option<Running> {
        self.known.remove(&id);
        let running = self.running.remove(&id)?;
        if running.calling {
            self.calls -= 1;
        }
        if self.alone == Some(id) {
            self.alone = None;
        }
        Some(running)
    }

    /// Goes on with an aggregate whose head was `from`.
    fn advance(&mut self, key: &AggregateKey, from: Head) {
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

    // ---- what others ask

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

#[cfg(test)]
mod tests;
