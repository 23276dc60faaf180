use std::collections::BTreeMap;

use async_nats::jetstream::stream::Config;
use sea_mq_event::ContextName;
use sea_mq_stream::{ContextTopology, SubscriptionTopology, Topology, apply};
use uuid::Uuid;

use super::World;
use super::options::{ServerChoice, WorldOptions};
use crate::TestkitError;

/// The topology of each context, under names of this world's own where servers are shared.
pub(super) fn declare(
    options: &WorldOptions,
) -> Result<BTreeMap<&'static str, ContextTopology>, TestkitError> {
    let (suffix, nodes) = match options.servers {
        ServerChoice::Shared => (format!("_{}", &Uuid::new_v4().simple().to_string()[..8]), 3),
        ServerChoice::Own(nodes) | ServerChoice::OwnWithUsers(nodes, _) => (String::new(), nodes),
    };
    let replicas = options.replicas.unwrap_or_else(|| u32::try_from(nodes).unwrap_or(1));
    let mut declared = BTreeMap::new();
    for known_as in &options.contexts {
        let mut topology = ContextTopology::new(name(known_as, &suffix)?, replicas);
        topology.max_bytes = options.max_bytes;
        for (_, producer) in options.subscriptions.iter().filter(|(consumer, _)| consumer == known_as) {
            topology.subscriptions.push(subscription(options, &topology.context, &name(producer, &suffix)?));
        }
        declared.insert(*known_as, topology);
    }
    Ok(declared)
}

fn name(known_as: &str, suffix: &str) -> Result<ContextName, TestkitError> {
    ContextName::parse(&format!("{known_as}{suffix}"))
        .map_err(|error| TestkitError::Unexpected(error.to_string()))
}

fn subscription(options: &WorldOptions, own: &ContextName, producer: &ContextName) -> SubscriptionTopology {
    SubscriptionTopology {
        stream: producer.event_stream(),
        filter: format!("{}>", producer.event_prefix()),
        durable: format!("{own}__from_{producer}"),
        ack_wait: options.ack_wait,
        max_deliver: options.max_deliver,
        max_ack_pending: options.max_ack_pending,
    }
}

impl World {
    /// Makes the streams and durables of all contexts, as declared.
    ///
    /// # Errors
    /// [`TestkitError::Stream`].
    pub async fn apply_topology(&self) -> Result<(), TestkitError> {
        let topologies: Vec<Topology> = self.topologies.values().map(Topology::for_context).collect();
        // Streams first: a durable needs the stream of another context.
        for topology in &topologies {
            apply(&self.broker, &Topology { durables: Vec::new(), ..topology.clone() }).await?;
        }
        for topology in &topologies {
            apply(&self.broker, topology).await?;
        }
        Ok(())
    }

    /// Changes the configuration of the event stream of `context`, as an operator may.
    ///
    /// # Errors
    /// [`TestkitError::Broker`]: the stream is not there, or the server refuses.
    pub async fn configure_stream(
        &self,
        context: &str,
        change: impl FnOnce(&mut Config),
    ) -> Result<(), TestkitError> {
        let name = self.context(context)?.name.event_stream();
        let doing = || format!("configuring {name}");
        let stream = self.jetstream().get_stream(&name).await.map_err(TestkitError::broker(doing()))?;
        let mut config = stream.cached_info().config.clone();
        change(&mut config);
        self.jetstream().update_stream(config).await.map_err(TestkitError::broker(doing()))?;
        Ok(())
    }

    /// Makes the streams of all contexts and no durable, as before a subscription is added.
    ///
    /// # Errors
    /// [`TestkitError::Stream`].
    pub async fn apply_streams(&self) -> Result<(), TestkitError> {
        for topology in self.topologies.values().map(Topology::for_context) {
            apply(&self.broker, &Topology { durables: Vec::new(), ..topology }).await?;
        }
        Ok(())
    }
}
