use std::io::Write;
use std::process::ExitCode;

use vibespro_public_api::{AdapterError, VibesProError};

const FAILED: u8 = 1;
const CONFIGURATION: u8 = 64;
const UNREACHABLE: u8 = 69;

/// Why a command did not do what it was asked, and its exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// Says it on stderr.
    pub(crate) fn report(self) -> ExitCode {
        // With stderr gone there is nobody to tell.
        drop(writeln!(std::io::stderr(), "vibespro: {}", self.message));
        ExitCode::from(self.code)
    }
}

impl From<VibesProError> for Failure {
    fn from(error: VibesProError) -> Self {
        let code = match error {
            VibesProError::Unavailable { .. } => UNREACHABLE,
            VibesProError::InvalidInput { .. }
            | VibesProError::UnknownUser { .. }
            | VibesProError::UnknownVibe { .. }
            | VibesProError::StaleRevision { .. }
            | VibesProError::IdempotencyKeyReused
            | VibesProError::Internal { .. } => FAILED,
        };
        Self { code, message: error.to_string() }
    }
}

impl From<AdapterError> for Failure {
    fn from(error: AdapterError) -> Self {
        let code = match error {
            AdapterError::BadUrl { .. } => CONFIGURATION,
            AdapterError::Connect { .. } => UNREACHABLE,
            AdapterError::Statement { .. }
            | AdapterError::NotProvisioned { .. }
            | AdapterError::Migration { .. } => FAILED,
        };
        Self { code, message: error.to_string() }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self { code: FAILED, message: format!("cannot write to stdout: {error}") }
    }
}
