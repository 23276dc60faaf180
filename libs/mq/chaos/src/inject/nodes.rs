use std::time::Duration;

use sea_mq_stack::LinkState;
use tokio::time::Instant;

use super::{Injection, Wound, made};
use crate::ground::{CONTEXTS, Ground};
use crate::{ChaosError, Planned};

/// The fault before may have begun an election.
const ELECTION_LIMIT: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(250);

impl Ground {
    pub(super) async fn kill_nodes(&mut self, nodes: Vec<usize>) -> Result<Injection, ChaosError> {
        let nats = self.world.nats()?;
        // Together: none of them hears that another has gone.
        for node in &nodes {
            nats.node(*node).freeze().await?;
        }
        for node in &nodes {
            nats.node(*node).kill().await;
        }
        made(names(&nodes), Wound::NodesDown(nodes))
    }

    pub(super) async fn freeze_nodes(&mut self, nodes: Vec<usize>) -> Result<Injection, ChaosError> {
        let nats = self.world.nats()?;
        for node in &nodes {
            nats.node(*node).freeze().await?;
        }
        made(names(&nodes), Wound::NodesFrozen(nodes))
    }

    pub(super) async fn wipe_node(&mut self, node: usize) -> Result<Injection, ChaosError> {
        self.world.nats()?.node(node).wipe().await?;
        made(names(&[node]), Wound::None)
    }

    pub(super) fn isolate_node(&mut self, node: usize) -> Result<Injection, ChaosError> {
        self.world.nats()?.isolate(node)?;
        made(names(&[node]), Wound::RoutesTroubled)
    }

    /// The routes between all nodes, or between two of them.
    pub(super) fn trouble_routes(
        &mut self,
        fault: &Planned,
        state: LinkState,
    ) -> Result<Injection, ChaosError> {
        const PAIRS: [[usize; 2]; 3] = [[0, 1], [1, 2], [2, 0]];
        let nats = self.world.nats()?;
        let nodes: &[usize] = if fault.target.is_multiple_of(2) {
            nats.set_all_routes(state)?;
            &[0, 1, 2]
        } else {
            let pair = &PAIRS[fault.target / 2 % PAIRS.len()];
            nats.set_routes(pair[0], pair[1], state)?;
            pair
        };
        made(format!("routes between {}", names(nodes)), Wound::RoutesTroubled)
    }

    pub(super) async fn start_nodes(&mut self, nodes: &[usize]) -> Result<(), ChaosError> {
        for node in nodes {
            self.world.nats()?.node(*node).launch_again().await?;
        }
        Ok(())
    }

    pub(super) async fn thaw_nodes(&mut self, nodes: &[usize]) -> Result<(), ChaosError> {
        for node in nodes {
            self.world.nats()?.node(*node).thaw().await?;
        }
        Ok(())
    }

    /// Befalls the node that leads one of the event streams.
    pub(super) async fn with_leader(
        &mut self,
        fault: &Planned,
        befall: impl AsyncFn(&mut Self, Vec<usize>) -> Result<Injection, ChaosError>,
    ) -> Result<Injection, ChaosError> {
        let context = CONTEXTS[fault.target % CONTEXTS.len()];
        let stream = self.world.context(context)?.name.event_stream();
        let deadline = Instant::now() + ELECTION_LIMIT;
        loop {
            match self.world.nats()?.stream_leader(&stream).await {
                Some(leader) => return befall(self, vec![leader]).await,
                None if Instant::now() >= deadline => {
                    return Ok(Injection::Missed(format!("{stream} has no leader")));
                }
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }
}

pub(super) fn names(nodes: &[usize]) -> String {
    nodes.iter().map(|node| format!("nats-{}", node + 1)).collect::<Vec<_>>().join(", ")
}
