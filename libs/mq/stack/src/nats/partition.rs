//! Cutting the nodes of a cluster off from each other.

use super::NatsCluster;
use crate::{Link, LinkState, StackError};

/// Nodes are counted from 0. These need [`Routes::Linked`](crate::Routes).
impl NatsCluster {
    /// The links between two nodes: from the one to the other, and back. Routes
    /// may run over either.
    ///
    /// # Errors
    /// [`StackError::Setting`] when there are no links between them.
    pub fn route_links(&self, one: usize, other: usize) -> Result<[&Link; 2], StackError> {
        self.check_node(one)?;
        self.check_node(other)?;
        if one == other {
            return Err(StackError::Setting(format!("node {one} has no route to itself")));
        }
        Ok(self.linked()?.between(one, other))
    }

    /// Sets the links between two nodes, both of them.
    ///
    /// # Errors
    /// As [`NatsCluster::route_links`].
    pub fn set_routes(&self, one: usize, other: usize, state: LinkState) -> Result<(), StackError> {
        for link in self.route_links(one, other)? {
            link.set(state);
        }
        Ok(())
    }

    /// A partition between two nodes; their ways to others stay.
    ///
    /// # Errors
    /// As [`NatsCluster::route_links`].
    pub fn cut(&self, one: usize, other: usize) -> Result<(), StackError> {
        self.set_routes(one, other, LinkState::Cut)
    }

    /// A partition between one node and all others. Its clients still reach it.
    ///
    /// # Errors
    /// As [`NatsCluster::route_links`].
    pub fn isolate(&self, node: usize) -> Result<(), StackError> {
        self.check_node(node)?;
        self.linked()?.touching(node).for_each(|link| link.set(LinkState::Cut));
        Ok(())
    }

    /// Sets every link between nodes to the same.
    ///
    /// # Errors
    /// [`StackError::Setting`] when there are no links.
    pub fn set_all_routes(&self, state: LinkState) -> Result<(), StackError> {
        self.linked()?.set_all(state);
        Ok(())
    }

    /// Clears every link between nodes. Does not wait until they have found each
    /// other: see [`NatsCluster::wait_ready`]. Without links there is nothing to heal.
    pub fn heal(&self) {
        if let Some(links) = self.links() {
            links.set_all(LinkState::Clear);
        }
    }

    fn linked(&self) -> Result<&super::routes::RouteLinks, StackError> {
        self.links().ok_or_else(|| {
            StackError::Setting(
                "the nodes of this cluster are connected directly; start it with linked routes to cut them"
                    .into(),
            )
        })
    }

    fn check_node(&self, node: usize) -> Result<(), StackError> {
        let nodes = self.nodes().len();
        if node < nodes {
            return Ok(());
        }
        Err(StackError::Setting(format!("there is no node {node} among {nodes}, counted from 0")))
    }
}
