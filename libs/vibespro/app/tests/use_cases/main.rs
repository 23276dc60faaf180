//! The use cases over a store in memory: what is asked of it, and what is made of its answers.
#![allow(clippy::unwrap_used)]

mod commands;
mod memory;
mod repetition;
