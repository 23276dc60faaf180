//! The nodes' ways to each other.

use std::collections::BTreeMap;

use super::Routes;
use super::configuration::{NodePorts, RoutePorts};
use crate::link::loopback;
use crate::{Link, LinkState, Port, StackError};

/// A link for each ordered pair of nodes, counted from 0.
#[derive(Debug)]
pub(crate) struct RouteLinks {
    links: BTreeMap<(usize, usize), Link>,
    /// Nobody ever listens there: what a node is told of another's address by a
    /// third leads nowhere.
    nowhere: Port,
}

impl RouteLinks {
    pub(super) fn open(nodes: &[NodePorts], routes: Routes) -> Result<Option<Self>, StackError> {
        match routes {
            Routes::Direct => return Ok(None),
            Routes::Linked => {}
        }
        let mut links = BTreeMap::new();
        for from in 0..nodes.len() {
            for (to, ports) in nodes.iter().enumerate().filter(|(to, _)| *to != from) {
                let name = format!("route nats-{} to nats-{}", from + 1, to + 1);
                links.insert((from, to), Link::open(name, loopback(ports.route.number()))?);
            }
        }
        Ok(Some(Self { links, nowhere: Port::reserve()? }))
    }

    /// The two links between two different nodes: there, and back.
    pub(super) fn between(&self, one: usize, other: usize) -> [&Link; 2] {
        [&self.links[&(one, other)], &self.links[&(other, one)]]
    }

    /// All links that begin or end at a node.
    pub(super) fn touching(&self, node: usize) -> impl Iterator<Item = &Link> {
        let touches = move |pair: &(usize, usize)| pair.0 == node || pair.1 == node;
        self.links.iter().filter(move |(pair, _)| touches(pair)).map(|(_, link)| link)
    }

    pub(super) fn set_all(&self, state: LinkState) {
        self.links.values().for_each(|link| link.set(state));
    }

    fn from(&self, node: usize) -> Vec<u16> {
        self.links.iter().filter(|((from, _), _)| *from == node).map(|(_, link)| link.port()).collect()
    }
}

/// By which ports a node reaches the others and is known to them.
pub(super) fn ports_of(node: usize, nodes: &[NodePorts], links: Option<&RouteLinks>) -> RoutePorts {
    match links {
        Some(links) => RoutePorts { others: links.from(node), advertised: links.nowhere.number() },
        None => RoutePorts {
            others: nodes.iter().map(|ports| ports.route.number()).collect(),
            advertised: nodes[node].route.number(),
        },
    }
}
