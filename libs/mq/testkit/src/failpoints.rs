//! Kills a worker at every boundary of commit, publish, ack, mark and call.
//!
//! [`FAILPOINTS`] lists them all with what leads a worker there; [`names_in_source`] finds the names
//! that the source really has, so that a test notices one that is not listed; [`visit`] arms one,
//! sees the process die there, lets another worker carry on, and judges the run.

mod catalogue;
mod load;
mod source;
mod visit;

pub use catalogue::{FAILPOINTS, Failpoint, Way};
pub use source::names_in_source;
pub use visit::{Visited, visit};
