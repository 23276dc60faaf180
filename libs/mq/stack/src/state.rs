//! The folder in which servers keep their files.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::StackError;
use crate::keeper::{Keeper, Task};

/// How long the processes of a predecessor that was killed may take to go.
const PREDECESSOR_WAIT: Duration = Duration::from_secs(10);
const PREDECESSOR_POLL: Duration = Duration::from_millis(20);

/// One folder for all state of a stack: temporary or kept. Clones share it.
#[derive(Debug, Clone)]
pub struct StateDir(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// Removes a temporary folder when it is dropped or this program dies.
    _remover: Option<Keeper>,
    /// Keeps a second program out of a kept folder.
    _owned: Option<File>,
}

impl StateDir {
    /// A new folder that is removed when the last clone is dropped, and also
    /// when this program is killed; by then the processes in it are dead.
    ///
    /// # Errors
    /// [`StackError::File`], [`StackError::Start`].
    pub fn temporary() -> Result<Self, StackError> {
        let parent = std::env::temp_dir();
        let path = tempfile::Builder::new()
            .prefix("sea-mq-")
            .tempdir_in(&parent)
            .map_err(StackError::file("create a folder in", parent))?
            .keep();
        prepare(&path)?;
        let mut task = Task::new(&path);
        task.remove = Some(path.clone());
        let remover = Keeper::start("the state folder", &path, &task, &[])?;
        Ok(Self(Arc::new(Inner { path, _remover: Some(remover), _owned: None })))
    }

    /// A folder that stays, made if it is absent. What servers left in it is
    /// taken up again.
    ///
    /// # Errors
    /// [`StackError::StateInUse`] when another running program has it.
    pub fn kept(path: impl AsRef<Path>) -> Result<Self, StackError> {
        create_folder(path.as_ref())?;
        let path = path.as_ref().canonicalize().map_err(StackError::file("find", path.as_ref()))?;
        prepare(&path)?;
        let owned = own(&path)?;
        wait_for_predecessor(&path)?;
        Ok(Self(Arc::new(Inner { path, _remover: None, _owned: Some(owned) })))
    }

    /// Forgets everything in it, before anything is started there.
    ///
    /// # Errors
    /// [`StackError::File`] names what cannot be removed.
    pub fn clear(&self) -> Result<(), StackError> {
        let list = || std::fs::read_dir(self.path())?.collect::<std::io::Result<Vec<_>>>();
        for entry in list().map_err(StackError::file("list", self.path()))? {
            let path = entry.path();
            if path == owner_lock(self.path()) || path == keepers_lock(self.path()) {
                continue;
            }
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let removed =
                if is_folder { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            removed.map_err(StackError::file("remove", path))?;
        }
        prepare(self.path())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// A folder below, made if absent, open to this user alone.
    ///
    /// # Errors
    /// [`StackError::File`].
    pub fn folder(&self, name: &str) -> Result<PathBuf, StackError> {
        let path = self.path().join(name);
        create_folder(&path)?;
        Ok(path)
    }

    /// The log file of a process of this stack.
    pub fn log(&self, name: &str) -> PathBuf {
        self.path().join("logs").join(format!("{name}.log"))
    }
}

/// The lock of the program that has the folder.
fn owner_lock(state: &Path) -> PathBuf {
    state.join(".owner")
}

/// The lock that keepers hold shared while their processes run.
pub(crate) fn keepers_lock(state: &Path) -> PathBuf {
    state.join(".keepers")
}

/// The keeper program inside a state folder.
pub(crate) fn keeper_program(state: &Path) -> PathBuf {
    state.join(".keeper.py")
}

fn prepare(path: &Path) -> Result<(), StackError> {
    create_folder(&path.join("logs"))?;
    let program = keeper_program(path);
    std::fs::write(&program, Keeper::PROGRAM).map_err(StackError::file("write", program))
}

fn create_folder(path: &Path) -> Result<(), StackError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(StackError::file("create the folder", path))
}

fn open_lock(path: &Path) -> Result<File, StackError> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(StackError::file("open", path))
}

fn own(path: &Path) -> Result<File, StackError> {
    let file = open_lock(&owner_lock(path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StackError::StateInUse { path: path.into() }),
        Err(TryLockError::Error(error)) => Err(StackError::file("lock", path)(error)),
    }
}

/// Whoever had the folder before may have been killed a moment ago; its keepers
/// are then still ending their processes.
fn wait_for_predecessor(path: &Path) -> Result<(), StackError> {
    let lock = open_lock(&keepers_lock(path))?;
    let deadline = Instant::now() + PREDECESSOR_WAIT;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::sleep(PREDECESSOR_POLL);
            }
            Err(TryLockError::WouldBlock) => {
                return Err(StackError::StateInUse { path: path.into() });
            }
            Err(TryLockError::Error(error)) => return Err(StackError::file("lock", path)(error)),
        }
    }
}
