//! Everything that a schedule moves, and how each of its steps is carried out.

use std::collections::{HashMap, HashSet, VecDeque};

use sea_mq_inbox::Inbox;
use sea_mq_outbox::Outbox;
use uuid::Uuid;

use crate::arena::Arena;
use crate::errand::Errand;
use crate::handler::{Handler, Names, Session};
use crate::mutant::Mutant;
use crate::schedule::{End, Schedule, Step, When};
use crate::verdict::Row;
use crate::worker::Worker;

/// What was promised and did not hold.
pub type Checked<T = ()> = Result<T, String>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Open,
    Committed,
    RolledBack,
}

pub struct Event {
    pub id: Uuid,
    pub aggregate: u8,
    /// No handler can do it.
    pub poison: bool,
    pub fate: Fate,
}

pub struct World<'a> {
    pub arena: &'a mut Arena,
    pub plan: &'a Schedule,
    pub mutant: Option<Mutant>,
    pub names: Names,
    pub inbox: Inbox,
    pub outbox: Outbox,
    pub workers: [Worker; 2],
    pub events: Vec<Event>,
    /// Applications' transactions that are open, and their events.
    pub producers: Vec<(Session, usize)>,
    /// The events in the stream, from sequence 1.
    pub stream: Vec<usize>,
    /// Messages that ingest has acknowledged.
    pub acked: usize,
    pub handlers: Vec<Handler>,
    /// Statements that were sent and have not reached the database.
    pub late: VecDeque<Errand>,
    /// The fences with which a handler's transaction committed.
    pub committed: HashMap<Uuid, Vec<i64>>,
    /// Attempts that were started.
    pub started: HashSet<(Uuid, i64)>,
    /// Attempts after which the worker gave up: none may commit.
    pub given_up: HashSet<(Uuid, i64)>,
    /// Lives that were ended by others.
    pub buried: HashSet<Uuid>,
    /// The inbox after the last step.
    pub rows: Vec<Row>,
    pub trace: Vec<String>,
}

/// Plays a schedule. What is promised is looked at after every step and at the end.
pub async fn play(arena: &mut Arena, plan: &Schedule, mutant: Option<Mutant>) -> Checked {
    let mut world = World::new(arena, plan, mutant).await;
    let result = world.whole().await;
    let trace = world.leave().await;
    result.map_err(|why| format!("{why}\nwhat happened:\n  {}\n", trace.join("\n  ")))
}

impl<'a> World<'a> {
    pub async fn new(arena: &'a mut Arena, plan: &'a Schedule, mutant: Option<Mutant>) -> Self {
        let consumer = arena.next_consumer().await;
        for aggregate in 0..plan.aggregates {
            let total = format!("INSERT INTO totals VALUES ('{consumer}', '{consumer}-{aggregate}')");
            arena.run(&total).await;
        }
        let (inbox, outbox) = (Inbox::new(arena.pool.clone(), &consumer), Outbox::new(arena.pool.clone()));
        let workers = [(); 2].map(|()| Worker::new(&arena.pool, &inbox));
        let context = arena.context.clone();
        let names = Names { consumer, context, aggregates: Vec::new(), shared_row: plan.shared_row };
        Self {
            arena,
            plan,
            mutant,
            names,
            inbox,
            outbox,
            workers,
            events: Vec::new(),
            producers: Vec::new(),
            stream: Vec::new(),
            acked: 0,
            handlers: Vec::new(),
            late: VecDeque::new(),
            committed: HashMap::new(),
            started: HashSet::new(),
            given_up: HashSet::new(),
            buried: HashSet::new(),
            rows: Vec::new(),
            trace: Vec::new(),
        }
    }

    async fn whole(&mut self) -> Checked {
        self.prepare(self.plan.prepared).await?;
        for step in &self.plan.steps {
            let before = self.trace.len();
            self.step(step).await?;
            if self.trace.len() > before {
                self.look().await?;
            }
        }
        self.heal().await?;
        self.judge().await
    }

    /// Worker A holds everything, and so many events are recorded.
    pub async fn prepare(&mut self, events: u8) -> Checked {
        self.tick(0).await?;
        for event in 0..events {
            self.produce(event, false, End::Commit).await;
        }
        self.publish(true).await?;
        self.record(0, 0, u8::MAX, None, When::Now).await?;
        self.look().await
    }

    pub async fn step(&mut self, step: &Step) -> Checked {
        match *step {
            Step::Produce { aggregate, poison, end } => self.produce(aggregate, poison, end).await,
            Step::EndProducer { pick, commit } => self.end_producer(pick, commit).await,
            Step::Publish { mark } => self.publish(mark).await?,
            Step::Record { worker, back, count, start, when } => {
                self.record(worker.into(), back, count, start, when).await?;
            }
            Step::Tick { worker } => self.tick(worker.into()).await?,
            Step::Die { worker } => self.die(worker.into()),
            Step::Expire { worker } => self.expire(worker.into()).await,
            Step::Start { worker, pick, style, when } => {
                self.start(worker.into(), pick, style, when).await?;
            }
            Step::PutBehind { worker, when } => self.put_behind(worker.into(), when).await?,
            Step::CallTwice { pick, style } => self.call_twice(pick, style).await,
            Step::Advance { pick, statements } => self.advance_one(pick, statements).await?,
            Step::Raise { pick, poison } => self.raise(pick, poison).await?,
            Step::Crash { pick } => self.crash_one(pick).await?,
            Step::Answer { pick, when } => self.answer(pick, when).await?,
            Step::GiveBack { pick, when } => self.give_back(pick, when).await?,
            Step::CutOff { pick, when } => self.cut_off(pick, when).await?,
            Step::Letters { worker, when } => self.letters(worker.into(), when).await?,
            Step::Redrive { pick } => self.redrive(pick).await?,
            Step::Discard { pick } => self.discard(pick).await?,
            Step::Arrive { pick } => self.arrive(pick).await?,
        }
        Ok(())
    }

    pub fn say(&mut self, what: impl Into<String>) {
        self.trace.push(what.into());
    }

    /// The event's number in what is told.
    pub fn event_of(&self, id: Uuid) -> usize {
        self.events.iter().position(|event| event.id == id).unwrap()
    }

    /// Leaves no transaction open, whatever went wrong; returns what was told.
    async fn leave(mut self) -> Vec<String> {
        for handler in self.handlers.drain(..) {
            if let Some(pid) = handler.pid() {
                self.arena.terminate(pid).await;
            }
        }
        for (session, _) in self.producers.drain(..) {
            self.arena.terminate(session.pid).await;
        }
        self.trace
    }
}

/// One of the candidates; `None` when there is none.
pub fn pick<T: Copy>(candidates: &[T], number: u8) -> Option<T> {
    let index = usize::from(number).checked_rem(candidates.len())?;
    Some(candidates[index])
}
