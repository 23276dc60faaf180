//! The ports over a real Postgres: what is stored, in which transaction, and who may see it.
#![allow(clippy::unwrap_used)]

mod atomicity;
mod events;
mod once;
mod pages;
mod races;
mod schema;
mod support;
