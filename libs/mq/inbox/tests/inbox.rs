//! The inbox as the worker meets it, against a real Postgres.
#![allow(clippy::unwrap_used)]

#[path = "inbox/bad_input.rs"]
mod bad_input;
#[path = "inbox/cost.rs"]
mod cost;
#[path = "inbox/dying.rs"]
mod dying;
#[path = "inbox/queues.rs"]
mod queues;
#[path = "inbox/recording.rs"]
mod recording;
#[path = "inbox/refusals.rs"]
mod refusals;
#[path = "inbox/settling.rs"]
mod settling;
#[path = "inbox/starting.rs"]
mod starting;
#[path = "inbox/stats.rs"]
mod stats;
#[path = "inbox/support.rs"]
mod support;
