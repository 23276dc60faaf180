//! Calling the handler: the request, the HTTP call, and what each answer means.
//!
//! [`outcome`] and [`settlement`] are pure and exhaustive; [`Handler`] is the effect.

mod answer;
mod backoff;
mod batch;
mod connections;
mod handler;
mod request;
mod settlement;
mod signature;

pub use answer::{Answer, Outcome, outcome};
pub use backoff::{Backoff, ProbePace};
pub use batch::{BatchOutcome, Capabilities, MOST_EVENTS, batch_body, batch_outcome};
pub use handler::{Handler, HandlerUrlError};
pub use request::{Call, batched_body, request_body};
pub use settlement::{Policy, Settlement, lost_attempt, settlement};
pub use signature::Signer;
