//! Named failpoints at every boundary of commit, publish, ack, mark and call.
//!
//! A failpoint is a name in the source, and says what it means that the operation fails there:
//!
//! ```text
//! failpoint!("outbox.promote.after");                            may be passed, not failed
//! failpoint!("outbox.mark.before", lost("mark rows published"));  fails: return Err(…)
//! failpoint!("dead_letter.publish.after" => return);              fails: does this
//! ```
//!
//! All of it is nothing in a release build: not even the error is compiled. In a build with debug
//! assertions the environment variable `SEA_MQ_FAILPOINTS` arms them:
//!
//! ```text
//! SEA_MQ_FAILPOINTS="outbox.mark.before=crash;publish.send.before=3*delay(200)"
//! SEA_MQ_FAILPOINTS="outbox.mark.after=error > inbox.record.before=2*freeze"
//! ```
//!
//! - `crash` kills the process with SIGKILL, as a power cut would.
//! - `error` lets the operation fail: before it was done, or after it was done and its answer lost.
//! - `delay(ms)` lets this one operation wait, while everything else in the process goes on.
//! - `freeze` stops the whole process with SIGSTOP. Whoever sends SIGCONT wakes one that believes to
//!   own what others have taken over.
//! - `N*` acts at the Nth visit only. `>` arms the next step when the one before it has acted; such a
//!   step acts once. `;` separates what is armed at the same time.
//!
//! The process says on stderr at which failpoint it acts and how, so that a test can tell "died there"
//! from "never came there".
//!
//! [`wall_clock`] is where the substrate reads the time of day: a test may let it jump.

#[cfg(debug_assertions)]
mod armed;
mod clock;
#[cfg(debug_assertions)]
mod script;

#[cfg(debug_assertions)]
pub use armed::{fails, hit, lost_connection};
pub use clock::wall_clock;
#[cfg(debug_assertions)]
pub use script::{Action, Step, parse};

/// Marks a boundary at which a test may kill, fail, delay or freeze the process.
///
/// With `, error` the function returns `Err(error)` when it is to fail here; with `=> instead` it does
/// that. Must be used inside an `async` function.
#[macro_export]
macro_rules! failpoint {
    ($name:literal) => {
        #[cfg(debug_assertions)]
        $crate::hit($name).await;
    };
    ($name:literal, $error:expr) => {
        #[cfg(debug_assertions)]
        if $crate::fails($name).await {
            return Err($error);
        }
    };
    ($name:literal => $instead:expr) => {
        #[cfg(debug_assertions)]
        if $crate::fails($name).await {
            $instead;
        }
    };
}
