//! Real Postgres and NATS servers for tests, the demo, local development, fault
//! suites and benchmarks.
//!
//! Everything listens on 127.0.0.1 only, on free ports, and keeps its files in
//! one [`StateDir`]. No server outlives the program that started it, even when
//! that program is killed: each runs below a keeper process that watches a pipe
//! from here and, when the pipe closes, kills what it keeps and removes a
//! temporary state folder.
//!
//! ```no_run
//! # async fn example() -> Result<(), sea_mq_stack::StackError> {
//! use sea_mq_stack::{Binaries, NatsCluster, NatsOptions, Postgres, PostgresOptions, StateDir};
//! let binaries = Binaries::find()?;
//! let state = StateDir::temporary()?;
//! let postgres = Postgres::start(&binaries, &state, PostgresOptions::default()).await?;
//! let nats = NatsCluster::start(&binaries, &state, NatsOptions::nodes(3)).await?;
//! println!("{} {:?}", postgres.admin_url(), nats.client_urls());
//! # Ok(()) }
//! ```

mod binaries;
mod disk;
mod error;
mod keeper;
mod launch;
mod link;
mod log;
mod nats;
mod paths;
mod port;
mod postgres;
mod process;
mod shared;
mod state;

pub use binaries::Binaries;
pub use disk::{Disk, private_mounts};
pub use error::StackError;
pub use launch::Launch;
pub use link::{Direction, Link, LinkState, LinkStats};
pub use nats::{NatsCluster, NatsNode, NatsOptions, NatsUsers, Routes};
pub use paths::{project_root, workspace_binary};
pub use port::{Port, free_port, port_like};
pub use postgres::{Postgres, PostgresOptions};
pub use process::Process;
pub use shared::{shared_nats, shared_postgres};
pub use state::StateDir;
