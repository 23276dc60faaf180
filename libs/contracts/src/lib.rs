//! Payload types of the events, generated from their contracts in `contracts/`.
//!
//! A module for each context that publishes events, a type for each version of an event. Fields that
//! a type does not know are passed over. The types do not check lengths and ranges: the worker checks
//! every payload against its contract, on publish and on receipt.

// Not formatted: `sea-mq contracts check` compares the files with what would be generated.
#[rustfmt::skip]
#[path = "../../../contracts/generated/rust/mod.rs"]
mod generated;

pub use generated::*;
