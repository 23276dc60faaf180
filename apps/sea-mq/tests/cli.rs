//! The command line from outside: exit codes, what goes where, nothing changed on a dry run.
#![allow(clippy::unwrap_used)]

#[path = "cli/chaos.rs"]
mod chaos;
#[path = "cli/config.rs"]
mod config;
#[path = "cli/conform.rs"]
mod conform;
#[path = "cli/contracts.rs"]
mod contracts;
#[path = "cli/db.rs"]
mod db;
#[path = "cli/dev.rs"]
mod dev;
#[path = "cli/program.rs"]
mod program;
#[path = "cli/topology.rs"]
mod topology;
