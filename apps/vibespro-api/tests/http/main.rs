//! The real router on a real socket over a real Postgres.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod document;
mod outage;
mod pages;
mod problems;
mod story;
mod support;
