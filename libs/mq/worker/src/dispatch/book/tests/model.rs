//! The book against a model of the database: every statement is asked for, carried out and answered
//! at moments of its own, lanes are lost and come back, and others work on them meanwhile.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use sea_mq_inbox::{OpenRow, OpenState, QueuedRow};
use uuid::Uuid;

use super::super::{Book, LOAD, Order};
use super::{PACE, row};

const LANE: i16 = 0;
const PER_LANE: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    Running,
    Waiting,
    Behind,
    Processed,
}

/// The inbox: rows in recording order.
#[derive(Debug, Default)]
struct Db {
    rows: Vec<(QueuedRow, State)>,
    floor: i64,
}

impl Db {
    fn state(&self, id: Uuid) -> Option<State> {
        self.rows.iter().find(|(row, _)| row.message_id == id).map(|(_, state)| *state)
    }

    fn set(&mut self, id: Uuid, to: State) {
        let found = self.rows.iter_mut().find(|(row, _)| row.message_id == id);
        found.unwrap().1 = to;
    }

    fn those(&self, wanted: State) -> impl Iterator<Item = &QueuedRow> {
        self.rows.iter().filter(move |(_, state)| *state == wanted).map(|(row, _)| row)
    }

    fn ready(&self, after: i64) -> Vec<QueuedRow> {
        self.those(State::Ready).filter(|row| row.pos > after).take(PER_LANE).cloned().collect()
    }

    fn open(&self) -> Vec<OpenRow> {
        let open = |state, as_open| {
            self.those(state).map(move |row| OpenRow { row: row.clone(), state: as_open, fence: 1 })
        };
        let mut open: Vec<OpenRow> = open(State::Running, OpenState::Running)
            .chain(open(State::Waiting, OpenState::Waiting))
            .chain(open(State::Behind, OpenState::Behind))
            .collect();
        let mut seen = Vec::new();
        open.retain(|found| {
            let first = found.state != OpenState::Behind || !seen.contains(&found.row.key);
            seen.extend((found.state == OpenState::Behind).then(|| found.row.key.clone()));
            first
        });
        open
    }

    /// Starts a row, if it may be started; false when this breaks its aggregate's order.
    fn start(&mut self, id: Uuid) -> Result<bool, String> {
        if !matches!(self.state(id), Some(State::Ready | State::Waiting | State::Behind)) {
            return Ok(false);
        }
        let key = self.rows.iter().find(|(row, _)| row.message_id == id).map(|(row, _)| row.key.clone());
        let passed = self
            .rows
            .iter()
            .take_while(|(row, _)| row.message_id != id)
            .find(|(row, state)| Some(&row.key) == key.as_ref() && *state != State::Processed);
        if let Some((passed, state)) = passed {
            return Err(format!("{id} passes {} ({state:?})", passed.message_id));
        }
        self.set(id, State::Running);
        Ok(true)
    }

    /// What another owner of the lane does: the first of an aggregate that is not processed is.
    fn somebody_else_processes(&mut self, which: usize) {
        let heads: Vec<Uuid> = self
            .rows
            .iter()
            .enumerate()
            .filter(|(n, (row, state))| {
                *state != State::Processed
                    && !self.rows[..*n].iter().any(|(r, s)| r.key == row.key && *s != State::Processed)
            })
            .map(|(_, (row, _))| row.message_id)
            .collect();
        if !heads.is_empty() {
            self.set(heads[which % heads.len()], State::Processed);
        }
    }
}

/// What may happen next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Record { aggregate: u8, count: u8 },
    Recorded,
    SomebodyElseRecords { aggregate: u8, count: u8 },
    BeginIngest,
    LookAgain,
    AskToRead,
    TakeReading,
    AskToStart,
    CarryOutStart,
    TakeStarted,
    Answer { which: usize, succeeds: bool },
    Settle,
    Stand,
    Tell,
    CarryOutOrder,
    TakeOrdered,
    AskForDue,
    TakeDue,
    SaveFloors,
    LoseLane,
    SomebodyElse { which: usize },
    TakeLane,
    LeaveAndStay,
    HandOver,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..3_u8, 1..5_u8).prop_map(|(aggregate, count)| Step::Record { aggregate, count }),
        2 => (0..3_u8, 1..4_u8)
            .prop_map(|(aggregate, count)| Step::SomebodyElseRecords { aggregate, count }),
        2 => Just(Step::BeginIngest),
        2 => Just(Step::LookAgain),
        4 => Just(Step::Recorded),
        3 => Just(Step::AskToRead),
        3 => Just(Step::TakeReading),
        4 => Just(Step::AskToStart),
        4 => Just(Step::CarryOutStart),
        4 => Just(Step::TakeStarted),
        6 => (0..9_usize, any::<bool>()).prop_map(|(which, succeeds)| Step::Answer { which, succeeds }),
        4 => Just(Step::Settle),
        2 => Just(Step::Stand),
        3 => Just(Step::Tell),
        3 => Just(Step::CarryOutOrder),
        3 => Just(Step::TakeOrdered),
        2 => Just(Step::AskForDue),
        2 => Just(Step::TakeDue),
        1 => Just(Step::SaveFloors),
        1 => Just(Step::LoseLane),
        2 => (0..9_usize).prop_map(|which| Step::SomebodyElse { which }),
        3 => Just(Step::TakeLane),
        1 => Just(Step::LeaveAndStay),
        2 => Just(Step::HandOver),
    ]
}

/// A statement that was asked for in one life, and what it brought once it was carried out.
#[derive(Debug)]
struct Asked<Q, A> {
    life: u32,
    question: Q,
    answer: Option<A>,
}

#[derive(Debug)]
struct Settlement {
    id: Uuid,
    life: u32,
    succeeded: bool,
}

/// Dispatch as its task runs it, with the database's part taken over by the model.
struct Run {
    book: Book,
    db: Db,
    life: u32,
    owns: bool,
    now: Instant,
    next: u128,
    ingests: bool,
    recorded: Option<(u32, Vec<QueuedRow>, Vec<Uuid>)>,
    reading: Option<Asked<Vec<(i16, i64)>, Vec<QueuedRow>>>,
    starting: Option<Asked<Vec<Uuid>, Vec<Uuid>>>,
    ordering: Option<Asked<Order, Option<Vec<QueuedRow>>>>,
    told: VecDeque<Order>,
    due: Option<Asked<(), Vec<QueuedRow>>>,
    calling: Vec<(Uuid, u32)>,
    to_settle: Vec<Settlement>,
    unclear: Vec<Uuid>,
}

impl Run {
    fn new() -> Self {
        let book = Book::new(4, 2, PACE);
        let mut run = Self {
            book,
            db: Db::default(),
            life: 0,
            owns: false,
            now: Instant::now(),
            next: 1,
            ingests: false,
            recorded: None,
            reading: None,
            starting: None,
            ordering: None,
            told: VecDeque::new(),
            due: None,
            calling: Vec::new(),
            to_settle: Vec::new(),
            unclear: Vec::new(),
        };
        run.take_lane();
        run
    }

    fn step(&mut self, step: Step) -> Result<(), String> {
        self.now += Duration::from_secs(61);
        match step {
            Step::Record { aggregate, count } => self.record(aggregate, count),
            Step::Recorded => self.tell_recorded(),
            Step::SomebodyElseRecords { aggregate, count } if !self.ingests => {
                self.somebody_else_records(aggregate, count);
            }
            Step::SomebodyElseRecords { .. } => {}
            Step::BeginIngest => {
                self.ingests = true;
                self.book.look_again();
            }
            Step::LookAgain => self.book.look_again(),
            Step::AskToRead => self.ask_to_read(),
            Step::TakeReading => self.take_reading(),
            Step::AskToStart => self.ask_to_start(),
            Step::CarryOutStart => return self.carry_out_start(),
            Step::TakeStarted => self.take_started(),
            Step::Answer { which, succeeds } => self.answer(which, succeeds),
            Step::Settle => self.settle(),
            Step::Stand => self.stand(),
            Step::Tell => {
                self.book.defer_failing();
                self.told.extend(self.book.take_orders(100));
            }
            Step::CarryOutOrder => self.carry_out_order(),
            Step::TakeOrdered => self.take_ordered(),
            Step::AskForDue => self.ask_for_due(),
            Step::TakeDue => self.take_due(),
            Step::SaveFloors => self.save_floors(),
            Step::LoseLane => self.lose_lane(),
            Step::SomebodyElse { which } if !self.owns => self.db.somebody_else_processes(which),
            Step::SomebodyElse { .. } => {}
            Step::TakeLane => self.take_lane(),
            Step::LeaveAndStay if self.owns => {
                self.book.leave(LANE);
                self.book.stay(LANE);
            }
            Step::HandOver if self.owns && self.book.leave(LANE) => {
                self.owns = false;
                self.book.forget(LANE);
                self.told.clear();
            }
            Step::LeaveAndStay | Step::HandOver => {}
        }
        Ok(())
    }

    /// Ingest records group by group: the former one is told before the next is reserved.
    fn record(&mut self, aggregate: u8, count: u8) {
        self.tell_recorded();
        let (mut rows, mut reserved, mut passed_over) = (Vec::new(), Vec::new(), false);
        for _ in 0..count {
            let mut new = row(self.next, &aggregate.to_string());
            self.next += 1;
            let in_line = QueuedRow { pos: i64::MAX, ..new.clone() };
            let started = !passed_over && self.book.reserve(&in_line, self.now);
            passed_over |= !started;
            new.attempts = i32::from(started);
            reserved.extend(started.then_some(new.message_id));
            rows.push((new, if started { State::Running } else { State::Ready }));
        }
        if self.ingests {
            self.db.rows.extend(rows.iter().cloned());
            let rows = rows.into_iter().map(|(row, _)| row).collect();
            self.recorded = Some((self.life, rows, reserved));
        } else {
            // The lease is somebody else's by now.
            for id in reserved {
                self.book.unreserve(id);
            }
        }
    }

    fn somebody_else_records(&mut self, aggregate: u8, count: u8) {
        for _ in 0..count {
            self.db.rows.push((row(self.next, &aggregate.to_string()), State::Ready));
            self.next += 1;
        }
    }

    fn tell_recorded(&mut self) {
        let Some((life, rows, reserved)) = self.recorded.take() else { return };
        let mut ready = Vec::new();
        for row in rows {
            if reserved.contains(&row.message_id) {
                self.book.placed(row.message_id, row.pos);
                self.call(row.message_id, life);
            } else {
                ready.push(row);
            }
        }
        self.book.recorded(ready);
    }

    /// Calls for an attempt, unless it is of an earlier life.
    fn call(&mut self, id: Uuid, life: u32) {
        if life == self.life && self.book.may_be_called(id) {
            self.calling.push((id, life));
        } else {
            self.book.answered(id, self.now);
            self.to_settle.push(Settlement { id, life, succeeded: false });
        }
    }

    fn ask_to_read(&mut self) {
        if self.reading.is_none() && self.owns {
            let question = self.book.unread();
            if let Some((_, after)) = question.first() {
                let answer = Some(self.db.ready(*after));
                self.reading = Some(Asked { life: self.life, question, answer });
            }
        }
    }

    fn take_reading(&mut self) {
        if let Some(Asked { question, answer: Some(rows), .. }) = self.reading.take() {
            self.book.read(&question, rows, PER_LANE);
        }
    }

    fn ask_to_start(&mut self) {
        if self.starting.is_none() && self.owns {
            let question = self.book.start(self.now, 3);
            if !question.is_empty() {
                self.starting = Some(Asked { life: self.life, question, answer: None });
            }
        }
    }

    /// What was asked for in an earlier life is refused, as is what was moved on.
    fn carry_out_start(&mut self) -> Result<(), String> {
        let alive = |asked: &Asked<_, _>, life, owns| asked.life == life && owns;
        if let Some(asked) = self.starting.as_mut().filter(|asked| asked.answer.is_none()) {
            let mut started = Vec::new();
            if alive(asked, self.life, self.owns) {
                for id in &asked.question {
                    started.extend(self.db.start(*id)?.then_some(*id));
                }
            }
            asked.answer = Some(started);
        }
        Ok(())
    }

    fn take_started(&mut self) {
        if self.starting.as_ref().is_some_and(|asked| asked.answer.is_some())
            && let Some(Asked { life, question, answer: Some(started) }) = self.starting.take()
        {
            for id in question {
                if started.contains(&id) {
                    self.call(id, life);
                } else {
                    self.book.answered(id, self.now);
                    self.book.inconclusive(id);
                    self.unclear.push(id);
                }
            }
        }
    }

    fn answer(&mut self, which: usize, succeeds: bool) {
        if self.calling.is_empty() {
            return;
        }
        let (id, life) = self.calling.remove(which % self.calling.len());
        self.book.answered(id, self.now);
        if succeeds {
            self.book.succeeded(id);
        } else {
            self.book.failed(id, self.now);
        }
        self.to_settle.push(Settlement { id, life, succeeded: succeeds });
    }

    fn settle(&mut self) {
        let Some(Settlement { id, life, succeeded }) = self.to_settle.pop() else { return };
        match (self.db.state(id), succeeded) {
            (Some(State::Processed), _) => self.book.finished(id),
            (Some(State::Running), true) if life == self.life => {
                self.db.set(id, State::Processed);
                self.book.finished(id);
            }
            (Some(State::Running), false) if life == self.life => {
                self.db.set(id, State::Waiting);
                self.book.blocked(id);
            }
            _outdated if self.book.is_running(id) => self.unclear.push(id),
            _outdated => {}
        }
    }

    fn stand(&mut self) {
        for id in std::mem::take(&mut self.unclear) {
            if self.book.row(id).is_none() {
                continue;
            }
            match self.db.state(id) {
                Some(State::Ready | State::Behind) => self.book.requeue(id),
                Some(State::Waiting) => self.book.blocked(id),
                Some(State::Processed) | None => self.book.finished(id),
                Some(State::Running) if self.in_hand(id) => self.unclear.push(id),
                Some(State::Running) => {
                    self.to_settle.push(Settlement { id, life: self.life, succeeded: false });
                }
            }
        }
    }

    fn in_hand(&self, id: Uuid) -> bool {
        self.calling.iter().any(|(calling, _)| *calling == id)
            || self.to_settle.iter().any(|settlement| settlement.id == id)
            || self.starting.as_ref().is_some_and(|asked| asked.question.contains(&id))
    }

    fn carry_out_order(&mut self) {
        if self.ordering.is_none() && self.owns {
            let Some(order) = self.told.pop_front() else { return };
            self.ordering = Some(Asked { life: self.life, question: order, answer: None });
        }
        let Some(asked) = self.ordering.as_mut().filter(|asked| asked.answer.is_none()) else { return };
        let fenced = asked.life != self.life || !self.owns;
        asked.answer = Some(match &asked.question {
            Order::PutBehind(id) if !fenced && self.db.state(*id) == Some(State::Ready) => {
                self.db.set(*id, State::Behind);
                None
            }
            Order::Defer(id)
                if !fenced && !matches!(self.db.state(*id), Some(State::Processed | State::Running)) =>
            {
                self.db.set(*id, State::Waiting);
                None
            }
            Order::PutBehind(_) | Order::Defer(_) => None,
            Order::Load { key, .. } => {
                Some(self.db.those(State::Behind).filter(|r| r.key == *key).take(LOAD).cloned().collect())
            }
        });
    }

    fn take_ordered(&mut self) {
        if let Some(Asked { question, answer: Some(loaded), .. }) = self.ordering.take() {
            self.book.carried_out(std::slice::from_ref(&question));
            if let (Some(rows), Order::Load { key, number, .. }) = (loaded, question) {
                self.book.loaded(&key, number, rows);
            }
        }
    }

    fn ask_for_due(&mut self) {
        if self.due.is_none() && self.owns {
            let answer = Some(self.db.those(State::Waiting).cloned().collect());
            self.due = Some(Asked { life: self.life, question: (), answer });
        }
    }

    fn take_due(&mut self) {
        if let Some(Asked { answer: Some(rows), .. }) = self.due.take() {
            self.book.due(rows);
        }
    }

    fn save_floors(&mut self) {
        if let Some((_, floor)) = self.book.floors().first().filter(|_| self.owns) {
            self.db.floor = *floor;
        }
    }

    /// The instance was buried. What it has asked for may be answered all the same, but changes nothing.
    fn lose_lane(&mut self) {
        (self.owns, self.ingests) = (false, false);
        self.life += 1;
        self.book.forget(LANE);
        self.told.clear();
    }

    fn take_lane(&mut self) {
        if self.owns {
            return;
        }
        self.owns = true;
        for left_open in self.book.adopt(LANE, self.db.floor, self.db.open()) {
            self.to_settle.push(Settlement {
                id: left_open.row.message_id,
                life: self.life,
                succeeded: false,
            });
        }
    }

    /// Lets everything come to an end. False when it does not.
    fn finish(&mut self) -> Result<bool, String> {
        self.book.stay(LANE);
        let around = [
            Step::TakeLane,
            Step::Recorded,
            Step::LookAgain,
            Step::AskToRead,
            Step::TakeReading,
            Step::Stand,
            Step::Tell,
            Step::CarryOutOrder,
            Step::TakeOrdered,
            Step::AskForDue,
            Step::TakeDue,
            Step::AskToStart,
            Step::CarryOutStart,
            Step::TakeStarted,
            Step::Answer { which: 0, succeeds: true },
            Step::Settle,
        ];
        for _ in 0..40 * (self.db.rows.len() + 10) {
            for step in around {
                self.step(step)?;
            }
        }
        let done = self.db.rows.iter().all(|(_, state)| *state == State::Processed);
        Ok(done && self.book.calls() == 0)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever is lost, late, failed or done by others: no event starts before an earlier one of its
    /// aggregate is processed, and all of them are in the end.
    #[test]
    fn order_holds_and_nothing_is_left(steps in prop::collection::vec(step(), 0..200)) {
        let mut run = Run::new();
        for step in steps {
            if let Err(broken) = run.step(step) {
                return Err(TestCaseError::fail(broken));
            }
        }
        match run.finish() {
            Ok(true) => {}
            Ok(false) => return Err(TestCaseError::fail(format!("not finished: {:?} {:?}", run.db, run.book))),
            Err(broken) => return Err(TestCaseError::fail(broken)),
        }
    }
}
