//! The walls of a context and the SQL that runs inside them, against a real Postgres.
#![allow(clippy::unwrap_used)]

#[path = "walls/admins.rs"]
mod admins;
#[path = "walls/denials.rs"]
mod denials;
#[path = "walls/inbox_sql.rs"]
mod inbox_sql;
#[path = "walls/migrating.rs"]
mod migrating;
#[path = "walls/outbox_sql.rs"]
mod outbox_sql;
#[path = "walls/provisioning.rs"]
mod provisioning;
#[path = "walls/support.rs"]
mod support;
