//! A context's Postgres database: reaching it, building it, keeping its schema.
//!
//! - [`connect`] opens a pool and says precisely why it cannot.
//! - [`ask`] runs an operation on it, and bounds how long the answer may take.
//! - [`provision`] makes a context's database, roles and walls, and may be run again.
//! - [`migrate`] and [`schema_status`] keep the embedded, checksummed schema.
//!
//! ```text
//!   admin ──provision──▶ {context}_db, owned by admin, CONNECT only for the context's own roles
//!                          {context}_owner     NOLOGIN, owns schema public and all that is in it
//!                          {context}_migrator  may act as the owner
//!                          {context}_app       application and handlers: data, no structure
//!                          {context}_worker    outbox and inbox only
//! ```

mod answer;
mod connect;
mod error;
mod fault;
mod identifiers;
mod migrate;
mod migrations;
mod password;
mod provision;
mod schema;
mod target;
mod walls;

pub use answer::{ANSWER_WITHIN, Unanswered, ask, in_time};
pub use connect::{ConnectOptions, connect};
pub use error::{DatabaseError, ErrorKind};
pub use fault::{Fault, classify};
pub use identifiers::ContextNames;
pub use migrate::{MigrateReport, MigrateRequest, migrate};
pub use migrations::{DEFAULT_MAX_PAYLOAD_BYTES, EmbeddedMigration, embedded_migrations};
pub use password::Password;
pub use provision::{ContextUrls, ProvisionRequest, Provisioned, plan_provision, provision};
pub use schema::{AppliedMigration, SchemaStatus, read_schema_status, schema_status};
pub use target::Target;
