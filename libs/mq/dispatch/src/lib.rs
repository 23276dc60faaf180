//! Calling the handler: the request, the HTTP call, and what each answer means.
//!
//! [`outcome`] and [`settlement`] are pure and exhaustive; [`Handler`] is the effect.

mod answer;
mod backoff;
mod connections;
mod handler;
mod request;
mod settlement;
mod signature;

pub use answer::{Answer, Outcome, outcome};
pub use backoff::{Backoff, ProbePace};
pub use handler::{Handler, HandlerUrlError};
pub use request::{Call, request_body};
pub use settlement::{Policy, Settlement, lost_attempt, settlement};
pub use signature::Signer;
