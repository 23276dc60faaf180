//! Which crate may depend on which, read from cargo's metadata.
#![allow(clippy::unwrap_used)]

mod contexts;
mod metadata;
mod substrate;
