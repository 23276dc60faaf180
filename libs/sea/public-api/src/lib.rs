//! What other programs, and SEA's own shells, may use of SEA.
//!
//! - [`Sea`] is the capability, [`InProcess`] carries it out over a database URL.
//! - Requests and answers are plain data, the same that travel over HTTP.
//! - [`migrate`] makes SEA's tables.

mod answers;
mod convert;
mod cursor;
mod in_process;
mod requests;
mod service;

pub use answers::{
    CaseDetails, CaseItem, CasePage, Done, EvaluationResult, PolicyPage, PolicyVerdict, PolicyVersion,
    TaskDetails,
};
pub use in_process::{ConnectError, InProcess, VibesProChoice};
pub use requests::{
    CallContext, CaseQuery, CompleteTask, Evaluate, OpenCase, PageQuery, PutPolicy, TaskRequest,
};
pub use sea_adapters::{AppliedMigration, MigrationError, PoolOptions, migrate};
pub use sea_app::SeaError;
pub use service::{Answer, Sea};
