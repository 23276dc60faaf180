//! Named failpoints at every boundary of commit, publish, ack, mark and call.
//!
//! `failpoint!("outbox.mark.before")` does nothing in a release build. In a build with debug
//! assertions the environment variable `SEA_MQ_FAILPOINTS` arms them:
//!
//! ```text
//! SEA_MQ_FAILPOINTS="outbox.mark.before=crash;publish.send.after=3*delay(200)"
//! ```
//!
//! `crash` kills the process with SIGKILL, as a power cut would; `delay(ms)` waits;
//! `N*` acts at the Nth visit only. The process says on stderr which failpoint it dies at, so that
//! a test can tell "died there" from "never came there".

#[cfg(debug_assertions)]
mod armed;

#[cfg(debug_assertions)]
pub use armed::{Action, hit, parse};

/// Marks a boundary at which a test may kill or delay the process.
///
/// Must be used inside an `async` function.
#[macro_export]
macro_rules! failpoint {
    ($name:literal) => {
        #[cfg(debug_assertions)]
        $crate::hit($name).await;
    };
}
