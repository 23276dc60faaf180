//! The nodes together.

use std::path::Path;

use super::configuration::{self, NodePorts};
use super::node::Store;
use super::routes::{RouteLinks, ports_of};
use super::{NatsNode, NatsOptions};
use crate::{Binaries, Launch, StackError, StateDir};

/// A port may be taken between its reservation and the server's bind.
const PORT_TRIES: usize = 5;

/// One node, or three that form a cluster. Dropping it kills them.
#[derive(Debug)]
pub struct NatsCluster {
    nodes: Vec<NatsNode>,
    links: Option<RouteLinks>,
}

impl NatsCluster {
    /// Starts the nodes on the project's configuration and waits until all are
    /// healthy and, with three, a meta leader is elected. Node `i` (from 0)
    /// keeps its streams in the state folder's `nats-{i+1}`. Links between them
    /// run on the caller's tokio runtime.
    ///
    /// # Errors
    /// [`StackError`] with the end of the log of the node that failed.
    pub async fn start(
        binaries: &Binaries,
        state: &StateDir,
        options: NatsOptions,
    ) -> Result<Self, StackError> {
        options.check()?;
        let main = configuration::write(state, &options)?;
        let mut tries = 0;
        loop {
            tries += 1;
            let cluster = Self::launch(&binaries.nats_server, state, &main, &options).await?;
            match cluster.wait_ready().await {
                Ok(()) => return Ok(cluster),
                Err(StackError::Ended { name, tail, .. })
                    if tries < PORT_TRIES && tail.contains("address already in use") =>
                {
                    tracing::warn!(node = name, "a port was taken meanwhile; starting again");
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn launch(
        program: &Path,
        state: &StateDir,
        main: &Path,
        options: &NatsOptions,
    ) -> Result<Self, StackError> {
        let ports = (0..options.nodes).map(|_| NodePorts::reserve()).collect::<Result<Vec<_>, _>>()?;
        let links = RouteLinks::open(&ports, options.routes)?;
        let mut launches = Vec::new();
        for (index, own) in ports.iter().enumerate() {
            let name = format!("nats-{}", index + 1);
            let store = Store::open(state.folder(&name)?, options.disk)?;
            let routes = ports_of(index, &ports, links.as_ref());
            let environment = configuration::environment(&name, own, &routes, store.path(), options);
            launches.push((node_launch(&name, program, main).envs(environment), store));
        }
        let mut nodes = Vec::new();
        for ((launch, store), own) in launches.into_iter().zip(ports) {
            nodes.push(NatsNode::start(launch, own, store, state).await?);
        }
        Ok(Self { nodes, links })
    }

    /// Where clients connect: one address per node.
    pub fn client_urls(&self) -> Vec<String> {
        self.nodes.iter().map(NatsNode::client_url).collect()
    }

    /// Where monitoring answers: one address per node.
    pub fn monitor_urls(&self) -> Vec<String> {
        self.nodes.iter().map(NatsNode::monitor_url).collect()
    }

    /// All nodes.
    pub fn nodes(&self) -> &[NatsNode] {
        &self.nodes
    }

    /// One node, counted from 0, to stop, kill, freeze or restart.
    ///
    /// # Panics
    /// When there is no such node.
    pub fn node(&mut self, index: usize) -> &mut NatsNode {
        &mut self.nodes[index]
    }

    /// Waits until every node is healthy and, in a cluster, knows a meta leader;
    /// a node that has ended is an error.
    ///
    /// # Errors
    /// [`StackError::Timeout`], [`StackError::Ended`].
    pub async fn wait_ready(&self) -> Result<(), StackError> {
        for node in &self.nodes {
            if self.nodes.len() > 1 {
                node.wait_leader(self.nodes.len()).await?;
            }
            node.wait_healthy().await?;
            tracing::info!(node = node.name(), url = node.client_url(), "NATS is ready");
        }
        Ok(())
    }

    /// Stops all nodes.
    ///
    /// # Errors
    /// [`StackError::Timeout`] when one does not end.
    pub async fn stop(&mut self) -> Result<(), StackError> {
        for node in self.nodes.iter_mut().filter(|node| node.process().is_running()) {
            node.stop().await?;
        }
        Ok(())
    }

    /// SIGKILL to all nodes, one right after the other; each is gone before the
    /// next is killed, some milliseconds later.
    pub async fn kill(&mut self) {
        for node in &mut self.nodes {
            node.kill().await;
        }
    }

    /// Starts every node that does not run, and waits until all are ready.
    ///
    /// # Errors
    /// [`StackError`] with the end of the log of the node that failed.
    pub async fn restart(&mut self) -> Result<(), StackError> {
        for node in &mut self.nodes {
            if !node.process().is_running() {
                node.launch_again().await?;
            }
        }
        self.wait_ready().await
    }

    pub(super) fn links(&self) -> Option<&RouteLinks> {
        self.links.as_ref()
    }

    pub(super) fn running(&self) -> impl Iterator<Item = &NatsNode> {
        self.nodes.iter().filter(|node| node.process().is_running())
    }
}

fn node_launch(name: &str, program: &Path, main: &Path) -> Launch {
    Launch::new(name, program).args(["-c".to_owned(), main.display().to_string()]).own_environment_only()
}
