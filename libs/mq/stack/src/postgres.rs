//! A real Postgres server.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use crate::process::POLL;
use crate::{Binaries, Disk, Launch, Port, Process, StackError, StateDir};

/// Creating a cluster and starting it, also on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// A port may be taken between its reservation and the server's bind.
const PORT_TRIES: usize = 5;
/// Which line of `postmaster.pid` holds the server's state.
const STATE_LINE: usize = 7;

/// How the server runs.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// Whether commits reach the disk; off is faster and still survives the
    /// death of any process, but not that of the machine.
    pub fsync: bool,
    /// Most connections at a time.
    pub max_connections: u32,
    /// Gives it a small disk of so many bytes, which can be filled, instead of a
    /// folder; see [`Disk`]. It starts empty.
    pub disk: Option<u64>,
    /// Further settings, as in `postgresql.conf`.
    pub settings: Vec<(String, String)>,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self { fsync: true, max_connections: 200, disk: None, settings: Vec::new() }
    }
}

/// A running server, with the superuser `postgres` and a random password.
/// Dropping it kills it; [`Postgres::stop`] shuts it down in order.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    port: Port,
    password: String,
    binaries: Binaries,
    state: StateDir,
    options: PostgresOptions,
    disk: Option<Disk>,
}

impl Postgres {
    /// Starts a server in the state folder's `postgres`, which is initialised
    /// when it is new, and waits until it takes connections.
    ///
    /// # Errors
    /// [`StackError`] with the end of the server's log.
    pub async fn start(
        binaries: &Binaries,
        state: &StateDir,
        options: PostgresOptions,
    ) -> Result<Self, StackError> {
        let folder = state.folder("postgres")?;
        let disk = options.disk.map(|bytes| Disk::tmpfs(&folder, bytes)).transpose()?;
        let password = initialise(binaries, state, &folder).await?;
        let (process, port) = start_on_free_port(binaries, state, &options).await?;
        tracing::info!(port = port.number(), log = %process.log().display(), "Postgres is ready");
        let (binaries, state) = (binaries.clone(), state.clone());
        Ok(Self { process, port, password, binaries, state, options, disk })
    }

    /// Where the superuser connects: `postgres://postgres:…@127.0.0.1:PORT/postgres`.
    pub fn admin_url(&self) -> String {
        self.url("postgres", "postgres", &self.password)
    }

    /// A connection address for any database and role. The name and password
    /// go into it as they are.
    pub fn url(&self, database: &str, user: &str, password: &str) -> String {
        let port = self.port.number();
        format!("postgres://{user}:{password}@127.0.0.1:{port}/{database}")
    }

    /// The TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The small disk that it was given, if it was.
    pub fn disk(&self) -> Option<&Disk> {
        self.disk.as_ref()
    }

    /// The postmaster, for its log and process id.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Fast shutdown: sessions are cut off, transactions rolled back, a
    /// checkpoint written.
    ///
    /// # Errors
    /// [`StackError::Timeout`] when it does not end.
    pub async fn stop(&mut self) -> Result<(), StackError> {
        self.process.interrupt().await?;
        self.process.wait_within(STOP_LIMIT).await?;
        Ok(())
    }

    /// SIGKILL to the postmaster and all its children; returns when they are gone.
    pub async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// SIGSTOP to the postmaster and all its children.
    ///
    /// # Errors
    /// [`StackError::NotRunning`].
    pub async fn freeze(&mut self) -> Result<(), StackError> {
        self.process.freeze().await
    }

    /// Lets a frozen server run on.
    ///
    /// # Errors
    /// [`StackError::NotRunning`].
    pub async fn thaw(&mut self) -> Result<(), StackError> {
        self.process.thaw().await
    }

    /// Starts it again after [`Postgres::stop`] or [`Postgres::kill`] (a
    /// running one is killed first), on the same port and data, and waits until
    /// it takes connections.
    ///
    /// # Errors
    /// [`StackError`] with the end of the server's log.
    pub async fn restart(&mut self) -> Result<(), StackError> {
        self.process.kill().await;
        self.process =
            server(&self.binaries, &self.state, &self.options, self.port.number()).start(&self.state).await?;
        wait_ready(&self.process, &data(&self.state)).await
    }
}

fn data(state: &StateDir) -> PathBuf {
    state.path().join("postgres/data")
}

/// Makes the data folder unless it is there; the superuser's password.
async fn initialise(binaries: &Binaries, state: &StateDir, folder: &Path) -> Result<String, StackError> {
    let (data, password_file) = (folder.join("data"), folder.join("password"));
    if data.exists() {
        return std::fs::read_to_string(&password_file)
            .map(|text| text.trim().to_owned())
            .map_err(StackError::file("read", password_file));
    }
    let password = uuid::Uuid::new_v4().simple().to_string();
    write_secret(&password_file, &password)?;
    run_initdb(binaries, state, folder, &password_file).await?;
    Ok(password)
}

fn write_secret(path: &Path, text: &str) -> Result<(), StackError> {
    OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(StackError::file("write", path))
}

/// Works in a folder beside and renames it: a half-made one is never taken up.
async fn run_initdb(
    binaries: &Binaries,
    state: &StateDir,
    folder: &Path,
    password_file: &Path,
) -> Result<(), StackError> {
    let unfinished = folder.join("data.unfinished");
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished).map_err(StackError::file("remove", unfinished.clone()))?;
    }
    let initdb = Launch::new("initdb", binaries.postgres_bin.join("initdb"))
        .arg("--pgdata")
        .arg(unfinished.display().to_string())
        .arg(format!("--pwfile={}", password_file.display()))
        .args(["--username=postgres", "--auth=scram-sha-256"])
        .args(["--encoding=UTF8", "--locale=C", "--no-sync"])
        .own_environment_only()
        .unprivileged([folder.to_path_buf()])
        .start(state)
        .await?;
    let status = initdb.wait_within(START_LIMIT).await?;
    if !status.success() {
        initdb.check_running("a new data folder")?;
    }
    let data = folder.join("data");
    std::fs::rename(&unfinished, &data).map_err(StackError::file("rename to", data))
}

async fn start_on_free_port(
    binaries: &Binaries,
    state: &StateDir,
    options: &PostgresOptions,
) -> Result<(Process, Port), StackError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let port = Port::reserve()?;
        let process = server(binaries, state, options, port.number()).start(state).await?;
        match wait_ready(&process, &data(state)).await {
            Ok(()) => return Ok((process, port)),
            Err(StackError::Ended { tail, .. })
                if tries < PORT_TRIES && tail.contains("Address already in use") =>
            {
                tracing::warn!(port = port.number(), "the port was taken meanwhile");
            }
            Err(error) => return Err(error),
        }
    }
}

fn server(binaries: &Binaries, state: &StateDir, options: &PostgresOptions, port: u16) -> Launch {
    let data = data(state);
    let mut launch = Launch::new("postgres", binaries.postgres_bin.join("postgres"))
        .arg("-D")
        .arg(data.display().to_string())
        .own_environment_only()
        .unprivileged([state.path().join("postgres")])
        .shared_memory(data.join("postmaster.pid"));
    for (name, value) in settings(options, port) {
        launch = launch.arg("-c").arg(format!("{name}={value}"));
    }
    launch
}

fn settings(options: &PostgresOptions, port: u16) -> Vec<(String, String)> {
    let fixed = [
        ("listen_addresses", "127.0.0.1".to_owned()),
        ("port", port.to_string()),
        // No socket file: its path may be too long, and TCP is what is tested.
        ("unix_socket_directories", String::new()),
        ("max_connections", options.max_connections.to_string()),
        ("shared_buffers", "64MB".to_owned()),
        // In the data folder, so that a killed server leaves nothing in /dev/shm.
        ("dynamic_shared_memory_type", "mmap".to_owned()),
        ("fsync", on_off(options.fsync)),
        ("timezone", "UTC".to_owned()),
        ("log_timezone", "UTC".to_owned()),
        ("log_line_prefix", "%m [%p] %q%u@%d ".to_owned()),
        ("log_min_messages", "info".to_owned()),
    ];
    fixed
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .chain(options.settings.iter().cloned())
        .collect()
}

fn on_off(value: bool) -> String {
    if value { "on" } else { "off" }.to_owned()
}

/// The server writes `ready` into its pid file once it takes connections. A
/// killed predecessor's file names another process.
async fn wait_ready(process: &Process, data: &Path) -> Result<(), StackError> {
    let pid_file = data.join("postmaster.pid");
    let pid = process.pid().to_string();
    let deadline = Instant::now() + START_LIMIT;
    loop {
        let text = std::fs::read_to_string(&pid_file).unwrap_or_default();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        if lines.first() == Some(&pid.as_str()) && lines.get(STATE_LINE) == Some(&"ready") {
            return Ok(());
        }
        process.check_running("a server that takes connections")?;
        if Instant::now() >= deadline {
            return Err(process.timed_out("server that takes connections", START_LIMIT));
        }
        tokio::time::sleep(POLL).await;
    }
}
