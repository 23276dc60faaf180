//! Judges an installation under faults.
//!
//! - [`check`] compares what was committed, stored, recorded, effected and dead-lettered, and says
//!   which event broke which promise. It is pure; [`collect()`] reads a [`History`] from real servers.
//! - [`World`] is two or more contexts on real servers, with workers as real processes.
//! - [`TestHandler`] is a handler that misbehaves on command.
//! - [`failpoints`] kills a worker at every boundary of commit, publish, ack, mark and call.

mod checker;
mod collect;
mod error;
pub mod failpoints;
mod handler;
mod history;
mod http;
mod world;

pub use checker::{Promise, Totals, Verdict, Violation, check};
pub use collect::{Source, collect};
pub use error::TestkitError;
pub use handler::{Answer, Behaviour, Call, CallRecord, EffectMode, Gate, Hold, TestHandler};
pub use history::{
    Aggregate, CommittedEvent, DeadLetter, Effect, Guarantee, History, InboxEntry, InboxState, OutboxState,
    Place, Reading, StreamedEvent, Subscription,
};
pub use world::{
    Event, OwnServers, ServerChoice, TestContext, WorkerLaunch, WorkerProcess, World, WorldOptions,
};
