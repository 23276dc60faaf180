//! Contracts: a JSON Schema (2020-12) for each version of an event.
//!
//! ```text
//!  contracts/<context>/<event>.v<n>.json ──▶ folder ──▶ checks     worker: does a payload keep it?
//!                                              │  ├─────▶ released   did a released version change?
//!                                              │  └─────▶ model ──▶ render   types, AsyncAPI
//!  contracts/released.json, contracts/generated/ ◀───────────────────────┘
//! ```
//!
//! Everything but the reading and writing of files is pure. An event without a contract passes:
//! contracts may be introduced one by one. No message of this crate repeats a value of a payload.

mod canonical;
mod checks;
mod contract;
mod error;
mod folder;
mod generated;
mod model;
mod name;
mod released;
mod render;
mod report;
mod violation;

pub use checks::Contracts;
pub use contract::Contract;
pub use error::{ContractsError, Problem};
pub use folder::{Folder, read_folder};
pub use generated::{Drift, GeneratedFile, drift, generate, write_generated};
pub use name::{ContractName, ContractNameError};
pub use released::{Comparison, RELEASED_FILE, Released};
pub use report::{Report, check};
pub use violation::Violation;
