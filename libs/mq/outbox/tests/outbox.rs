//! The outbox as the publisher meets it, against a real Postgres.
#![allow(clippy::unwrap_used)]

#[path = "outbox/claiming.rs"]
mod claiming;
#[path = "outbox/cost.rs"]
mod cost;
#[path = "outbox/late.rs"]
mod late;
#[path = "outbox/parking.rs"]
mod parking;
#[path = "outbox/publisher.rs"]
mod publisher;
#[path = "outbox/replaying.rs"]
mod replaying;
#[path = "outbox/scheduling.rs"]
mod scheduling;
#[path = "outbox/stats.rs"]
mod stats;
#[path = "outbox/support.rs"]
mod support;
#[path = "outbox/turbulence.rs"]
mod turbulence;
