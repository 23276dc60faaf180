//! The JetStream room against real servers: each test has streams of its own.
#![allow(clippy::unwrap_used)]

#[path = "jetstream/bad_input.rs"]
mod bad_input;
#[path = "jetstream/connection.rs"]
mod connection;
#[path = "jetstream/ids.rs"]
mod ids;
#[path = "jetstream/permissions.rs"]
mod permissions;
#[path = "jetstream/publish.rs"]
mod publish;
#[path = "jetstream/pull.rs"]
mod pull;
#[path = "jetstream/range.rs"]
mod range;
#[path = "jetstream/support.rs"]
mod support;
#[path = "jetstream/topology.rs"]
mod topology;
