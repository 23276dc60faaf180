//! A small file system for one server's folder, so that it can be full without
//! anybody else's disk being full.

mod namespace;

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::StackError;
use crate::paths::on_path;

pub use namespace::private_mounts;

/// What takes the free space lies beside the server's own files.
const BALLAST: &str = ".ballast";
const BLOCK: usize = 1 << 20;
/// Less than this is no space: a page.
const LAST_BLOCK: usize = 4096;

/// A file system in memory, mounted on a folder. Dropping it unmounts it; what
/// is in it is lost.
///
/// A program that is killed cannot do that: its [`StateDir`](crate::StateDir)
/// unmounts what lies in a temporary folder, and where even that cannot run
/// the mount stays, unless [`private_mounts`] was called.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
}

impl Disk {
    /// Mounts an empty file system of so many bytes on an existing folder, open
    /// to this user alone. What the folder holds is hidden meanwhile.
    ///
    /// # Errors
    /// [`StackError::NotAllowed`] unless this is root on Linux;
    /// [`StackError::File`] when there is no such folder.
    pub fn tmpfs(path: impl Into<PathBuf>, bytes: u64) -> Result<Self, StackError> {
        let path = path.into().canonicalize().map_err(StackError::file("find", "the folder for a disk"))?;
        let size = format!("size={bytes},mode=0700");
        let words = ["-t", "tmpfs", "-o", &size, "sea-mq"].map(OsStr::new);
        run("mount", &[&words[..], &[path.as_ref()]].concat())
            .map_err(|reason| StackError::NotAllowed { what: mounting(&path), reason })?;
        tracing::debug!(path = %path.display(), bytes, "a small disk is mounted");
        Ok(Self { path })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes all of the free space: until [`Disk::free`], who writes is told that
    /// there is none left. What others give back meanwhile they may use; called
    /// again, it takes that too. Returns the bytes taken so far.
    ///
    /// # Errors
    /// [`StackError::File`].
    pub async fn fill(&self) -> Result<u64, StackError> {
        let path = self.path.join(BALLAST);
        let writing = path.clone();
        match tokio::task::spawn_blocking(move || fill(&writing)).await {
            Ok(taken) => taken.map_err(StackError::file("fill the disk with", path)),
            Err(error) => Err(StackError::file("fill the disk with", path)(error.into())),
        }
    }

    /// Gives back what [`Disk::fill`] took; nothing happens when that is nothing.
    ///
    /// # Errors
    /// [`StackError::File`].
    pub fn free(&self) -> Result<(), StackError> {
        let path = self.path.join(BALLAST);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(StackError::file("remove", path)(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

impl Drop for Disk {
    /// Out of sight at once, and gone when the last process that uses it is.
    fn drop(&mut self) {
        if let Err(reason) = run("umount", &[OsStr::new("-l"), self.path.as_ref()]) {
            tracing::warn!(path = %self.path.display(), reason, "a small disk stays mounted");
        }
    }
}

fn mounting(path: &Path) -> String {
    format!("mounting a small disk on {}", path.display())
}

/// Runs a program of the system; why it failed.
fn run(program: &str, arguments: &[&OsStr]) -> Result<(), String> {
    let path = on_path(program).ok_or_else(|| format!("there is no program {program} on PATH"))?;
    let output = Command::new(path)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

fn fill(path: &Path) -> std::io::Result<u64> {
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let block = vec![0; BLOCK];
    let mut size = BLOCK;
    while size >= LAST_BLOCK {
        match file.write(&block[..size]) {
            Ok(written) if written == size => {}
            // Some fitted: the rest goes in smaller pieces.
            Ok(_) => size /= 2,
            Err(error) if error.kind() == ErrorKind::StorageFull => size /= 2,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(file.metadata()?.len())
}
