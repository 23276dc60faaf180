//! Where things lie in the project.

use std::path::{Path, PathBuf};

use crate::StackError;

/// The root of the source tree, known since compilation.
pub fn project_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(3).unwrap_or(here).to_path_buf()
}

/// The folder with the configuration that NATS really runs: `infra/nats`, or
/// the folder `nats` below `SEA_MQ_INFRA`.
pub(crate) fn nats_configuration() -> PathBuf {
    match std::env::var_os("SEA_MQ_INFRA") {
        Some(infra) => PathBuf::from(infra).join("nats"),
        None => project_root().join("infra/nats"),
    }
}

/// The project's virtual environment, made by `make servers`.
pub(crate) fn virtual_environment() -> PathBuf {
    project_root().join(".venv")
}

/// A program of this workspace, built with the same profile as the caller.
///
/// # Errors
/// [`StackError::BinaryMissing`] when it has not been built.
pub fn workspace_binary(name: &str) -> Result<PathBuf, StackError> {
    let own = std::env::current_exe().map_err(StackError::file("find", "the running program"))?;
    let mut folder = own.parent().unwrap_or(&own);
    if folder.ends_with("deps") || folder.ends_with("examples") {
        folder = folder.parent().unwrap_or(folder);
    }
    let path = folder.join(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(StackError::BinaryMissing {
        what: format!("the program {name}"),
        looked: format!("no file {}", path.display()),
        remedy: "Build it with `cargo build --workspace`.".into(),
    })
}

/// The first file of this name in the folders of `PATH`.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
}
