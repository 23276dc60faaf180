//! A copy of the source tree, in which a page may do as it likes.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use sea_mq_stack::{StateDir, project_root};

/// What a fresh clone does not have, and what takes long to make: the latter is linked.
const NOT_COPIED: [&str; 6] = [".git", ".state", "dist", "node_modules", "target", ".venv"];
const LINKED: [&str; 2] = ["target", ".venv"];

/// Like a fresh clone after `make build`.
pub struct Checkout {
    state: StateDir,
    root: PathBuf,
}

impl Checkout {
    pub fn new() -> Result<Self, String> {
        let checkout = Self::empty()?;
        fill(&checkout.root).map_err(|error| format!("the copy {}: {error}", checkout.root.display()))?;
        Ok(checkout)
    }

    /// Without any file.
    pub fn empty() -> Result<Self, String> {
        let state = StateDir::temporary().map_err(|error| error.to_string())?;
        let root = state.folder("checkout").map_err(|error| error.to_string())?;
        Ok(Self { state, root })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Processes keep their output here; it is gone with this value.
    pub fn state(&self) -> &StateDir {
        &self.state
    }
}

fn fill(copy: &Path) -> std::io::Result<()> {
    let root = project_root();
    let mut cp = Command::new("cp");
    // With the times of the files: make compares them.
    cp.arg("--archive");
    for entry in std::fs::read_dir(&root)? {
        let entry = entry?;
        if !NOT_COPIED.iter().any(|name| entry.file_name() == *name) {
            cp.arg(entry.path());
        }
    }
    if !cp.arg(copy).status()?.success() {
        return Err(std::io::Error::other("cp failed; its message is above"));
    }
    LINKED.iter().try_for_each(|name| symlink(root.join(name), copy.join(name)))
}
