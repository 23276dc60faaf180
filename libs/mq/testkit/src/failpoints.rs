//! What happens at every boundary of commit, publish, ack, mark and call: a worker dies there, its
//! operation fails or takes too long there, or it freezes there and wakes up when others own its lanes.
//!
//! [`FAILPOINTS`] lists them all with what leads a worker there; [`names_in_source`] finds those that the
//! source really has, so that a test notices one that is not listed. A [`Walk`] says what happens to
//! which worker; [`Walk::go`] lets it happen under a mixed load, sees on the process's own word that it
//! did, lets another worker carry on, and judges the run.
//!
//! ```text
//!   alone                 each action at each failpoint
//!   failing_then_frozen   both in one life
//!   some_pairs, all_pairs deaths one after the other, and deaths after failures
//! ```

mod act;
mod catalogue;
mod load;
mod provoke;
mod source;
mod visit;
mod walks;

pub use act::{Act, Action};
pub use catalogue::{FAILPOINTS, Failpoint, Side, Way};
pub use source::names_in_source;
pub use walks::{Walk, all_pairs, alone, ends_its_process, failing_then_frozen, of_workers, some_pairs};
