//! Handlers of every kind, judged: right ones in each language, and wrong ones in each way.
#![allow(clippy::unwrap_used)]

#[path = "conform/context.rs"]
mod context;
#[path = "conform/languages.rs"]
mod languages;
#[path = "conform/logic.rs"]
mod logic;
#[path = "conform/mutations.rs"]
mod mutations;
#[path = "conform/rust.rs"]
mod rust;
#[path = "conform/server.rs"]
mod server;
