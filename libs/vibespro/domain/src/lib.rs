//! VibesPro's users and vibes, and what may happen to them: pure, no I/O, no clock.
//!
//! ```text
//!   create ──▶ revision 1 ──update, score──▶ revision n + 1     (only from the revision that was expected)
//! ```
//!
//! Values are checked when they are made, so that whoever holds one need not check it again.

mod event;
mod text;
mod user;
mod vibe;
mod violation;

pub use event::VibeEvent;
pub use text::{Description, Title, UserName};
pub use user::{User, UserId};
pub use vibe::{Change, Decision, NewVibe, Outcome, Refused, Revision, Score, Vibe, VibeId};
pub use violation::Violation;
