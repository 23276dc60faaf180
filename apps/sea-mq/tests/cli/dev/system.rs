use std::fs::File;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Instant;

use sea_mq_stack::project_root;
use tempfile::TempDir;

use crate::dev::PATIENCE;
use crate::dev::processes::{self, Seen, signal};

/// A folder with a description in it, whose name has a space.
pub struct Folder {
    _holder: TempDir,
    path: PathBuf,
}

impl Folder {
    pub fn empty() -> Self {
        let holder = TempDir::new().unwrap();
        let path = holder.path().canonicalize().unwrap().join("a system");
        std::fs::create_dir(&path).unwrap();
        Self { _holder: holder, path }
    }

    /// As this repository describes it, on one NATS node; one of its programs wishes for this port.
    pub fn of_this_repository(port: u16) -> Self {
        let (folder, root) = (Self::empty(), project_root());
        for needed in [".venv", "apps", "contracts", "libs", "sdk"] {
            symlink(root.join(needed), folder.path.join(needed)).unwrap();
        }
        let description = std::fs::read_to_string(root.join("dev.toml")).unwrap();
        let lines = description.lines().filter_map(|line| match line {
            "nats_nodes = 3" => Some("nats_nodes = 1".to_owned()),
            "port = 8002" => Some(format!("port = {port}")),
            line => (!line.starts_with("port = ")).then(|| line.to_owned()),
        });
        folder.describe(&lines.collect::<Vec<_>>().join("\n"));
        folder
    }

    pub fn describe(&self, description: &str) {
        std::fs::write(self.path.join("dev.toml"), description).unwrap();
    }

    /// A contract of the context `notes`, with this text.
    pub fn promise(&self, file: &str, text: &str) {
        let contracts = self.path.join("contracts/notes");
        std::fs::create_dir_all(&contracts).unwrap();
        std::fs::write(contracts.join(file), text).unwrap();
    }

    pub fn state(&self) -> PathBuf {
        self.path.join("kept state")
    }

    /// `sea-mq dev` on it, from another folder, as the leader of a process group.
    pub fn dev(&self, more: &[&str]) -> Running {
        let log = self.path.join(format!("dev-{}.log", uuid::Uuid::new_v4()));
        let output = File::create(&log).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_sea-mq"))
            .arg("dev")
            .arg("--file")
            .arg(self.path.join("dev.toml"))
            .arg("--state")
            .arg(self.state())
            .args(more)
            .current_dir("/")
            .process_group(0)
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        Running { child, log, state: self.state(), folder: self.path.clone() }
    }

    /// The commands of the processes that belong to it.
    fn processes(&self) -> Vec<String> {
        let all = processes::all();
        all.into_iter().filter(|seen| seen.belongs_to(&self.path)).map(|seen| seen.command).collect()
    }

    /// What guards the processes is itself gone a moment after them.
    pub fn wait_until_no_process_is_left(&self) {
        let begun = Instant::now();
        while !self.processes().is_empty() {
            assert!(begun.elapsed() < PATIENCE, "{:?}", self.processes());
            pause();
        }
    }
}

/// A `sea-mq dev`; killed with this value, with which everything below it has to end.
pub struct Running {
    child: Child,
    log: PathBuf,
    state: PathBuf,
    folder: PathBuf,
}

impl Running {
    /// Everything that it wrote.
    pub fn output(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Returns when it says that everything works.
    pub fn ready(mut self) -> Self {
        let begun = Instant::now();
        while !self.output().lines().any(|line| line.starts_with("ready")) {
            assert_eq!(self.child.try_wait().unwrap(), None, "{}", self.output());
            assert!(begun.elapsed() < PATIENCE, "{}", self.output());
            pause();
        }
        self
    }

    /// Its exit code and what it wrote, once it has ended by itself.
    pub fn refused(mut self) -> (i32, String) {
        let code = self.ended().unwrap();
        (code, self.output())
    }

    /// Ctrl-C, which a terminal sends to the whole process group; the exit code.
    pub fn interrupted(mut self) -> Option<i32> {
        signal("INT", &format!("-{}", self.child.id()));
        self.ended()
    }

    /// SIGTERM to it alone; the exit code.
    pub fn terminated(mut self) -> Option<i32> {
        signal("TERM", &self.child.id().to_string());
        self.ended()
    }

    /// SIGKILL to it alone.
    pub fn killed(mut self) {
        self.child.kill().unwrap();
        assert_eq!(self.ended(), None);
    }

    fn ended(&mut self) -> Option<i32> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(begun.elapsed() < PATIENCE, "{}", self.output());
            pause();
        }
    }

    /// The value of a variable in the file for shells.
    pub fn url(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.state.join("env")).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_else(|| panic!("{name} in {text}")).trim_matches('\'').to_owned()
    }

    /// SIGKILL to the program that listens there.
    pub fn kill_listening(&self, url: &str) {
        let address = url.strip_prefix("http://").unwrap();
        let port = address.rsplit(':').next().unwrap();
        let (listen, metrics) = (format!("LISTEN={address}"), format!("METRICS_PORT={port}"));
        self.kill(|seen| seen.has_variable(&listen) || seen.has_variable(&metrics));
    }

    /// SIGKILL to the server of this file name.
    pub fn kill_server(&self, program: &str) {
        self.kill(|seen| seen.is(program));
    }

    /// The first that is meant: what was started below it ends with it.
    fn kill(&self, meant: impl Fn(&Seen) -> bool) {
        let of_folder = |seen: &Seen| seen.belongs_to(&self.folder) && !seen.command.contains(".keeper.py");
        let found = processes::all().into_iter().filter(|seen| of_folder(seen) && meant(seen)).map(|s| s.pid);
        signal("KILL", &found.min().unwrap().to_string());
    }

    /// Asks until there is an answer.
    pub fn wait_for<T>(&self, what: &str, ask: impl Fn() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            assert!(begun.elapsed() < PATIENCE, "{what} is missing:\n{}", self.output());
            pause();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Between two looks at something that happens elsewhere.
fn pause() {
    std::thread::sleep(std::time::Duration::from_millis(20));
}
