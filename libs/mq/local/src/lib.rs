//! A whole system on this machine, from its description: servers, contexts, their programs and
//! their workers, kept running until it is stopped.
//!
//! A [`Description`] (`dev.toml`) names the contexts. [`System::start`] brings everything up on the
//! real servers of `sea-mq-stack`, restarts what dies, and tells of it by [`Notice`]s; what is
//! waiting and flowing is read by [`System::flow`]. Everything ends with the [`System`], also when
//! this program is killed.
//!
//! Development and the demo both run on this; production runs the same programs under its own
//! supervisor.

mod backoff;
mod context;
mod description;
mod environment;
mod error;
mod flow;
mod http;
mod keeping;
mod notice;
mod plans;
mod program;
mod secrets;
mod servers;
mod supervise;
mod system;
mod worker;

pub use context::Context;
pub use description::{ContextDescription, Description, ProgramDescription};
pub use error::LocalError;
pub use flow::Flow;
pub use notice::{Notice, Notices};
pub use system::{Options, System};
