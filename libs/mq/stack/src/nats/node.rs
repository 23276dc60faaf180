//! One NATS node.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::configuration::NodePorts;
use super::monitor;
use crate::process::POLL;
use crate::{Disk, Launch, Process, StackError, StateDir};

pub(crate) const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(30);
const SIGUSR2: u8 = 12;

/// A node of a [`NatsCluster`](crate::NatsCluster).
#[derive(Debug)]
pub struct NatsNode {
    process: Process,
    ports: NodePorts,
    launch: Launch,
    store: Store,
    state: StateDir,
}

/// Where a node keeps its streams.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    disk: Option<Disk>,
}

impl Store {
    /// On a small disk of so many bytes, or else on the state folder's own.
    pub(crate) fn open(path: PathBuf, disk: Option<u64>) -> Result<Self, StackError> {
        let disk = disk.map(|bytes| Disk::tmpfs(&path, bytes)).transpose()?;
        Ok(Self { path, disk })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Forgets every stream; what fills the disk stays.
    fn wipe(&self) -> Result<(), StackError> {
        let streams = self.path.join("jetstream");
        if !streams.exists() {
            return Ok(());
        }
        std::fs::remove_dir_all(&streams).map_err(StackError::file("remove", streams))
    }
}

impl NatsNode {
    pub(crate) async fn start(
        launch: Launch,
        ports: NodePorts,
        store: Store,
        state: &StateDir,
    ) -> Result<Self, StackError> {
        let process = launch.clone().start(state).await?;
        Ok(Self { process, ports, launch, store, state: state.clone() })
    }

    /// `nats-1`, `nats-2`, `nats-3`.
    pub fn name(&self) -> &str {
        self.process.name()
    }

    /// Where clients connect, `nats://127.0.0.1:PORT`.
    pub fn client_url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.ports.client.number())
    }

    /// Where monitoring answers, `http://127.0.0.1:PORT`.
    pub fn monitor_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.monitor_port())
    }

    /// Its process, for its log and process id.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// The small disk that it was given, if it was.
    pub fn disk(&self) -> Option<&Disk> {
        self.store.disk.as_ref()
    }

    /// Names of the nodes to which it has routes, by its own account; none when
    /// it does not answer. A route over a link that was cut counts until the
    /// node misses the answers to its pings.
    pub async fn routed_to(&self) -> Option<BTreeSet<String>> {
        monitor::routes(self.monitor_port()).await
    }

    /// How many messages its own copy of a stream holds; none when it does not
    /// answer or has no copy.
    pub async fn stream_messages(&self, stream: &str) -> Option<u64> {
        monitor::stream_messages(self.monitor_port(), stream).await
    }

    /// Shuts it down (SIGTERM) and waits for its end.
    ///
    /// # Errors
    /// [`StackError::Timeout`] when it does not end.
    pub async fn stop(&mut self) -> Result<(), StackError> {
        self.process.terminate().await?;
        self.process.wait_within(STOP_LIMIT).await?;
        Ok(())
    }

    /// Begins the lame-duck mode: it hands over its leaders, sends its clients
    /// away and then ends. Does not wait.
    ///
    /// # Errors
    /// [`StackError::NotRunning`].
    pub async fn lame_duck(&mut self) -> Result<(), StackError> {
        self.process.signal(SIGUSR2).await
    }

    /// SIGKILL; returns when it is gone.
    pub async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// SIGSTOP.
    ///
    /// # Errors
    /// [`StackError::NotRunning`].
    pub async fn freeze(&mut self) -> Result<(), StackError> {
        self.process.freeze().await
    }

    /// Lets a frozen node run on.
    ///
    /// # Errors
    /// [`StackError::NotRunning`].
    pub async fn thaw(&mut self) -> Result<(), StackError> {
        self.process.thaw().await
    }

    /// Starts it again, on the same ports and store, without waiting until it
    /// is healthy: alone in a cluster it never would be. A running one is
    /// killed first.
    ///
    /// # Errors
    /// [`StackError::Start`].
    pub async fn launch_again(&mut self) -> Result<(), StackError> {
        self.process.kill().await;
        self.process = self.launch.clone().start(&self.state).await?;
        Ok(())
    }

    /// SIGKILL, and all that it stores is lost: it starts again as a new disk
    /// would make it, on the same ports. Does not wait until it has caught up.
    ///
    /// # Errors
    /// [`StackError::File`], [`StackError::Start`].
    pub async fn wipe(&mut self) -> Result<(), StackError> {
        self.process.kill().await;
        self.store.wipe()?;
        self.launch_again().await
    }

    /// Starts it again and waits until it is healthy; in a cluster that needs a
    /// second node.
    ///
    /// # Errors
    /// [`StackError`] with the end of its log.
    pub async fn restart(&mut self) -> Result<(), StackError> {
        self.launch_again().await?;
        self.wait_healthy().await
    }

    /// Waits until `/healthz` says that it and everything it stores is up to date.
    ///
    /// # Errors
    /// [`StackError::Timeout`], [`StackError::Ended`].
    pub async fn wait_healthy(&self) -> Result<(), StackError> {
        let port = self.monitor_port();
        self.wait_for("healthy node", || monitor::is_healthy(port)).await
    }

    pub(crate) async fn wait_leader(&self, members: usize) -> Result<(), StackError> {
        let port = self.monitor_port();
        self.wait_for(
            "elected meta leader",
            || async move { monitor::meta_leader(port, members).await.is_some() },
        )
        .await
    }

    pub(crate) fn monitor_port(&self) -> u16 {
        self.ports.monitor.number()
    }

    async fn wait_for<F: Future<Output = bool>>(
        &self,
        what: &str,
        condition: impl Fn() -> F,
    ) -> Result<(), StackError> {
        let deadline = Instant::now() + START_LIMIT;
        while !condition().await {
            self.process.check_running(what)?;
            if Instant::now() >= deadline {
                return Err(self.process.timed_out(what, START_LIMIT));
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }
}
