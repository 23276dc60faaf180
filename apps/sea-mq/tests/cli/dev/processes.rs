use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A process of this machine, as far as it can be looked at.
pub struct Seen {
    pub pid: u32,
    pub command: String,
    environment: String,
    folder: PathBuf,
}

impl Seen {
    /// It was started with this path somewhere, or runs below it.
    pub fn belongs_to(&self, path: &Path) -> bool {
        let text = path.to_str().unwrap();
        self.folder.starts_with(path) || self.command.contains(text) || self.environment.contains(text)
    }

    pub fn has_variable(&self, assignment: &str) -> bool {
        self.environment.split('\0').any(|variable| variable == assignment)
    }

    /// The program's file name.
    pub fn is(&self, program: &str) -> bool {
        let path =
            Path::new(OsStr::from_bytes(self.command.split('\0').next().unwrap_or_default().as_bytes()));
        path.file_name().is_some_and(|name| name == program)
    }
}

/// All processes that live.
pub fn all() -> Vec<Seen> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| seen(&entry.path())).collect()
}

/// Zombies have no folder any more, and are none.
fn seen(entry: &Path) -> Option<Seen> {
    let pid = entry.file_name()?.to_str()?.parse().ok()?;
    let text =
        |name| std::fs::read(entry.join(name)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let folder = std::fs::read_link(entry.join("cwd")).ok()?;
    Some(Seen { pid, command: text("cmdline").ok()?, environment: text("environ").ok()?, folder })
}

/// Sends a signal; to a whole process group when the target begins with `-`.
pub fn signal(name: &str, target: &str) {
    let done = Command::new("kill").args(["-s", name, "--", target]).status().unwrap();
    assert!(done.success(), "kill -s {name} -- {target}");
}
