//! SEA's use cases over a real Postgres.
#![allow(clippy::unwrap_used)]

#[path = "postgres/cases.rs"]
mod cases;
#[path = "postgres/policies.rs"]
mod policies;
#[path = "postgres/tables.rs"]
mod tables;

#[path = "support/databases.rs"]
mod support;

use sea_adapters::{CelRules, PoolOptions, PostgresSea, RandomIds, SystemClock, VibesProAdapter, connect};
use sea_app::{Cases, Policies};
use support::Database;

type SeaCases = Cases<PostgresSea, VibesProAdapter, SystemClock, RandomIds>;

fn store(database: &Database) -> PostgresSea {
    PostgresSea::new(connect(&database.app_url, &PoolOptions::default()).unwrap())
}

fn cases_of(database: &Database) -> SeaCases {
    Cases::new(store(database), None, SystemClock, RandomIds)
}

fn policies_of(database: &Database) -> Policies<PostgresSea, CelRules, SystemClock> {
    Policies::new(store(database), CelRules::new(), SystemClock)
}
