//! Lanes owned by lease, against a real Postgres.
#![allow(clippy::unwrap_used)]

#[path = "leases/expiry.rs"]
mod expiry;
#[path = "leases/sharing.rs"]
mod sharing;
#[path = "leases/support.rs"]
mod support;
