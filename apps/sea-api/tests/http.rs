//! sea-api as its callers meet it: real routes, a real socket, a real Postgres.
#![allow(clippy::unwrap_used)]

#[path = "http/document.rs"]
mod document;
#[path = "http/governance.rs"]
mod governance;
#[path = "http/refusals.rs"]
mod refusals;
#[path = "http/support.rs"]
mod support;
#[path = "http/work.rs"]
mod work;
