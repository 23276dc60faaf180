//! The event as it travels: context names, subjects, header names, identities.
//!
//! Pure: no I/O, no clock, no randomness. Everything that other rooms must agree
//! on about the wire is written down here once.

mod context;
pub mod header;
mod identity;
mod lane;
mod subject;

pub use context::{ContextName, ContextNameError};
pub use identity::{dead_letter_message_id, position_id, usable_message_id};
pub use lane::{LANES, inbox_lane};
pub use subject::{Subject, SubjectError};
