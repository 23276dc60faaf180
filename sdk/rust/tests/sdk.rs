//! Handlers on a real Postgres, called as a worker calls them.
#![allow(clippy::unwrap_used)]

#[path = "sdk/answers.rs"]
mod answers;
#[path = "sdk/batches.rs"]
mod batches;
#[path = "sdk/context.rs"]
mod context;
#[path = "sdk/emitting.rs"]
mod emitting;
#[path = "sdk/handlers.rs"]
mod handlers;
#[cfg(feature = "axum")]
#[path = "sdk/http.rs"]
mod http;
#[path = "sdk/logging.rs"]
mod logging;
#[path = "sdk/once.rs"]
mod once;
#[cfg(feature = "axum")]
#[path = "sdk/signed.rs"]
mod signed;
#[cfg(feature = "axum")]
#[path = "sdk/socket.rs"]
mod socket;
#[path = "sdk/unreachable.rs"]
mod unreachable;
