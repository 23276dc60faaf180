//! Runs the program with a clean environment.

use std::path::PathBuf;
use std::process::Command;

use uuid::Uuid;

/// What a run left behind.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

pub fn sea_mq(args: &[&str]) -> Run {
    with_env(args, &[])
}

pub fn with_env(args: &[&str], vars: &[(&str, &str)]) -> Run {
    let done = Command::new(env!("CARGO_BIN_EXE_sea-mq"))
        .args(args)
        .env_clear()
        .envs(vars.iter().copied())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: done.status.code().unwrap(), out: text(done.stdout), err: text(done.stderr) }
}

impl Run {
    /// Fails unless the program ended so, said this on stderr, and nothing on stdout.
    pub fn refused(&self, code: i32, said: &str) {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.err.contains(said), "{said} in {self:?}");
        assert!(self.out.is_empty(), "{self:?}");
    }

    pub fn done(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        assert!(self.err.is_empty(), "{self:?}");
        self.out
    }

    pub fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.done()).unwrap()
    }
}

pub fn unique_name() -> String {
    format!("c_{}", &Uuid::new_v4().simple().to_string()[..12])
}

/// A file with this content, for as long as the folder lives.
pub fn file(folder: &tempfile::TempDir, name: &str, content: &str) -> String {
    let path: PathBuf = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}
