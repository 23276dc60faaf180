//! SEA over HTTP.
//!
//! [`router`] serves any [`Sea`](sea_public_api::Sea); the program `sea-api` is that over Postgres.
//! Every refusal is an `application/problem+json` that says what to change.
//! `GET /openapi.json` describes all of it.

mod body;
mod call;
mod cases;
mod document;
mod health;
mod policies;
mod problem;
mod query;
mod routes;

pub use document::OPENAPI;
pub use routes::{ANSWER_WITHIN, MAX_BODY_BYTES, OPERATIONS, router};
