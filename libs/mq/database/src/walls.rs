//! The walls of a context, as statements: pure, from what the server holds to what it lacks.

mod facts;
mod refusal;
mod statements;

pub(crate) use facts::{read_database, read_server};
pub(crate) use refusal::refuse;
pub(crate) use statements::{Step, database_steps, server_steps};
