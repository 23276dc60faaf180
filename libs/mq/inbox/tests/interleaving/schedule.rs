//! What may happen, in which order: generated, shrinkable, printable.
//!
//! A step names what it means by a number that is taken modulo the candidates of the moment, of
//! handlers the newest first; one without candidates does nothing. So every part of a schedule is a
//! schedule, and shrinking works.

use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
pub enum Isolation {
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

impl Isolation {
    pub const ALL: [Self; 3] = [Self::ReadCommitted, Self::RepeatableRead, Self::Serializable];

    pub fn sql(self) -> &'static str {
        match self {
            Self::ReadCommitted => "READ COMMITTED",
            Self::RepeatableRead => "REPEATABLE READ",
            Self::Serializable => "SERIALIZABLE",
        }
    }
}

/// How a handler runs one attempt.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub isolation: Isolation,
    /// `inbox_begin` comes before the transaction, not in it.
    pub asks_before: bool,
}

/// When a statement of the worker reaches the database after it was decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Now,
    /// On a later [`Step::Arrive`]: whoever sent it may be gone by then.
    Late,
}

#[derive(Clone, Copy, Debug)]
pub enum End {
    Commit,
    RollBack,
    LeaveOpen,
}

#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// An application's transaction with its event.
    Produce {
        aggregate: u8,
        poison: bool,
        end: End,
    },
    /// One that was left open ends.
    EndProducer {
        pick: u8,
        commit: bool,
    },
    /// Unmarked: it is published again by the next.
    Publish {
        mark: bool,
    },
    /// Ingest records from the stream, `back` messages of it once more.
    Record {
        worker: u8,
        back: u8,
        count: u8,
        start: Option<Style>,
        when: When,
    },
    /// Renews or begins a life, takes free lanes, finds what was left open on them.
    Tick {
        worker: u8,
    },
    /// The process is gone, and with it all that it knew. Its leases are not, yet.
    Die {
        worker: u8,
    },
    /// Its leases expire. The process may not know.
    Expire {
        worker: u8,
    },
    Start {
        worker: u8,
        pick: u8,
        style: Style,
        when: When,
    },
    PutBehind {
        worker: u8,
        when: When,
    },
    /// The same call reaches the handler a second time.
    CallTwice {
        pick: u8,
        style: Style,
    },
    /// A handler runs its next statements.
    Advance {
        pick: u8,
        statements: u8,
    },
    /// A handler raises: it rolls back and says so.
    Raise {
        pick: u8,
        poison: bool,
    },
    /// A handler's connection and process are gone, wherever it was.
    Crash {
        pick: u8,
    },
    /// The answer arrives and is settled.
    Answer {
        pick: u8,
        when: When,
    },
    /// The worker stops waiting: timeout, or the answer was cut off. The handler goes on.
    CutOff {
        pick: u8,
        when: When,
    },
    /// A started attempt is not called after all, and is not counted.
    GiveBack {
        pick: u8,
        when: When,
    },
    /// Letters of the dying are stored; they are marked dead.
    Letters {
        worker: u8,
        when: When,
    },
    Redrive {
        pick: u8,
    },
    Discard {
        pick: u8,
    },
    /// A late statement reaches the database.
    Arrive {
        pick: u8,
    },
}

#[derive(Clone, Debug)]
pub struct Schedule {
    pub aggregates: u8,
    /// Events recorded before the first step.
    pub prepared: u8,
    /// A dead letter stops its aggregate.
    pub hold: bool,
    pub max_deliver: i32,
    /// Effects of one aggregate write to a row of their own too: handlers wait for one another.
    pub shared_row: bool,
    pub steps: Vec<Step>,
    /// How handlers that still run at the end go: bit by bit, on to their end or away.
    pub survivors: u16,
    /// How attempts run once everything is well.
    pub healed: Style,
    /// What holds its aggregate at the end is redriven once, or discarded at once.
    pub redrives: bool,
}

pub fn schedules() -> impl Strategy<Value = Schedule> {
    let aggregates = prop_oneof![2 => Just(1u8), 1 => Just(2u8)];
    let max_deliver = prop_oneof![2 => Just(1i32), 1 => Just(2i32), 3 => Just(5i32)];
    let world = (aggregates, 1u8..=3, any::<bool>(), max_deliver, prop::bool::weighted(0.2));
    let end = (any::<u16>(), style(), any::<bool>());
    let moves =
        vec(prop_oneof![3 => step().prop_map(|step| vec![step]), 1 => crate::situation::situations()], 4..50);
    (world, moves, end).prop_map(|(world, moves, (survivors, healed, redrives))| {
        let steps = moves.into_iter().flatten().collect();
        let (aggregates, prepared, hold, max_deliver, shared_row) = world;
        Schedule { aggregates, prepared, hold, max_deliver, shared_row, steps, survivors, healed, redrives }
    })
}

pub fn style() -> impl Strategy<Value = Style> {
    (prop::sample::select(Isolation::ALL.to_vec()), prop::bool::weighted(0.25))
        .prop_map(|(isolation, asks_before)| Style { isolation, asks_before })
}

pub fn when() -> impl Strategy<Value = When> {
    prop_oneof![3 => Just(When::Now), 1 => Just(When::Late)]
}

/// Of two worker instances the first is mostly meant: one that works is more than two that do not.
fn worker() -> impl Strategy<Value = u8> {
    prop_oneof![3 => Just(0u8), 2 => Just(1u8)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![3 => before_the_handler(), 6 => worker_step(), 11 => handler_step()]
}

fn before_the_handler() -> impl Strategy<Value = Step> {
    let end = prop_oneof![4 => Just(End::Commit), 1 => Just(End::RollBack), 1 => Just(End::LeaveOpen)];
    prop_oneof![
        3 => (0u8..4, prop::bool::weighted(0.15), end)
            .prop_map(|(aggregate, poison, end)| Step::Produce { aggregate, poison, end }),
        1 => (0u8..4, any::<bool>()).prop_map(|(pick, commit)| Step::EndProducer { pick, commit }),
        3 => any::<bool>().prop_map(|mark| Step::Publish { mark }),
        5 => (worker(), 0u8..3, 1u8..6, prop::option::of(style()), when())
            .prop_map(|(worker, back, count, start, when)| Step::Record { worker, back, count, start, when }),
    ]
}

fn worker_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => worker().prop_map(|worker| Step::Tick { worker }),
        1 => worker().prop_map(|worker| Step::Die { worker }),
        1 => worker().prop_map(|worker| Step::Expire { worker }),
        16 => (worker(), 0u8..4, style(), when())
            .prop_map(|(worker, pick, style, when)| Step::Start { worker, pick, style, when }),
        1 => (worker(), when()).prop_map(|(worker, when)| Step::PutBehind { worker, when }),
        2 => (worker(), when()).prop_map(|(worker, when)| Step::Letters { worker, when }),
        2 => (0u8..4).prop_map(|pick| Step::Redrive { pick }),
        1 => (0u8..4).prop_map(|pick| Step::Discard { pick }),
        4 => (0u8..8).prop_map(|pick| Step::Arrive { pick }),
    ]
}

fn handler_step() -> impl Strategy<Value = Step> {
    let statements = prop_oneof![4 => 1u8..=4, 1 => Just(6u8)];
    prop_oneof![
        9 => (0u8..8, statements).prop_map(|(pick, statements)| Step::Advance { pick, statements }),
        1 => (0u8..8, style()).prop_map(|(pick, style)| Step::CallTwice { pick, style }),
        1 => (0u8..8, prop::bool::weighted(0.3)).prop_map(|(pick, poison)| Step::Raise { pick, poison }),
        1 => (0u8..8).prop_map(|pick| Step::Crash { pick }),
        3 => (0u8..8, when()).prop_map(|(pick, when)| Step::Answer { pick, when }),
        1 => (0u8..8, when()).prop_map(|(pick, when)| Step::GiveBack { pick, when }),
        6 => (0u8..8, when()).prop_map(|(pick, when)| Step::CutOff { pick, when }),
    ]
}
