//! What the nodes say about the cluster and its streams.

use std::collections::BTreeMap;

use super::{NatsCluster, monitor};

impl NatsCluster {
    /// The node that leads the cluster's metadata, counted from 0, as the
    /// running nodes see it.
    pub async fn meta_leader(&self) -> Option<usize> {
        for node in self.running() {
            if let Some(name) = monitor::meta_leader(node.monitor_port(), self.nodes().len()).await {
                return self.position(&name);
            }
        }
        None
    }

    /// The node that leads a stream, counted from 0, as most of the running
    /// nodes that hold it see it: one that was cut off goes on believing in the
    /// leader it knew. None without a stream, a leader, or agreement.
    pub async fn stream_leader(&self, stream: &str) -> Option<usize> {
        let mut seen = Vec::new();
        for node in self.running() {
            if let Some(leader) = monitor::stream_leader(node.monitor_port(), stream).await {
                // A server alone has no cluster to speak of, and leads by itself.
                seen.push(leader.unwrap_or_else(|| node.name().to_owned()));
            }
        }
        self.position(&most_named(seen)?)
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.nodes().iter().position(|node| node.name() == name)
    }
}

/// The name that occurs most often; none when two do.
fn most_named(names: Vec<String>) -> Option<String> {
    let mut votes: BTreeMap<String, usize> = BTreeMap::new();
    for name in names {
        *votes.entry(name).or_default() += 1;
    }
    let most = *votes.values().max()?;
    let mut first = votes.into_iter().filter(|(_, count)| *count == most);
    let (name, _) = first.next()?;
    first.next().is_none().then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn winner(names: &[&str]) -> Option<String> {
        most_named(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn the_majority_names_the_leader() {
        assert_eq!(winner(&[]), None);
        assert_eq!(winner(&["a"]).as_deref(), Some("a"));
        assert_eq!(winner(&["a", "b", "b"]).as_deref(), Some("b"));
        assert_eq!(winner(&["a", "b"]), None);
    }
}
