//! What other contexts, and the shells of this one, may use of VibesPro.
//!
//! - [`VibesPro`] is the capability, [`InProcess`] carries it out over a database URL.
//! - Requests and answers are plain data, the same that travel over HTTP.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use vibespro_public_api::{CallContext, CreateVibe, InProcess, Options, VibesPro};
//! let vibespro = InProcess::connect("postgres://vibespro_app:…@127.0.0.1/vibespro_db", &Options::default())?;
//! let request = CreateVibe { user_id: "ada".into(), title: "Calm".into(), description: String::new() };
//! let made = vibespro.create_vibe(request, CallContext::default()).await?;
//! println!("{} is at revision {}", made.value.vibe_id, made.value.revision);
//! # Ok(()) }
//! ```

mod answers;
mod convert;
mod error;
mod in_process;
mod requests;
mod service;

pub use answers::{Decision, Done, Registered, User, VibePage, VibeSummary};
pub use error::{FieldProblem, VibesProError};
pub use in_process::InProcess;
pub use requests::{CallContext, CreateVibe, PageRequest, RegisterUser, ScoreVibe, UpdateVibe};
pub use service::{Answer, VibesPro};
pub use vibespro_adapters::{AdapterError, AppliedMigration, MigrateReport, Options, migrate};
