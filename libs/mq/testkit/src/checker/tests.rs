//! Whatever is taken from, added to or swapped in a good history must be named, and nothing else.
#![allow(clippy::unwrap_used)]

mod generated;
mod mutated;
mod mutation;
mod rules;
mod size;
