#![cfg_attr(feature = "axum", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "axum"),
    doc = "Handlers of events whose effects happen exactly once, and events sent in your own transaction."
)]

mod answer;
#[cfg(feature = "axum")]
mod body;
mod connection;
mod emit;
mod engine;
mod event;
mod failure;
mod handle;
mod handlers;
mod health;
#[cfg(feature = "axum")]
mod http;
mod inbox;
mod job;
mod joined;
mod log;
mod payload;
mod prepared;
#[cfg(feature = "axum")]
mod secret;
#[cfg(feature = "axum")]
mod signature;
pub mod testing;
mod tx;
#[cfg(feature = "axum")]
mod wire;

pub use answer::Answer;
pub use emit::Emit;
pub use event::{Call, Event};
pub use failure::Failure;
pub use handle::{AskAndHandle, Handle, HandleMany, Transactions};
pub use handlers::Handlers;
#[cfg(feature = "axum")]
pub use http::{Options, router};
#[cfg(feature = "axum")]
pub use secret::{Secret, SecretError, secrets_from_env};
pub use tx::{ManyTx, Tx};
