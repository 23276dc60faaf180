//! VibesPro over HTTP.
//!
//! [`router`] serves any [`VibesPro`](vibespro_public_api::VibesPro); `vibespro-api` is that over Postgres. Every refusal is an
//! `application/problem+json` that says what to change. `GET /openapi.json` describes all of it.

mod body;
mod call;
mod document;
mod health;
mod problem;
mod query;
mod routes;
mod users;
mod vibes;

pub use document::OPENAPI;
pub use routes::{MAX_BODY_BYTES, Method, operations, router};
