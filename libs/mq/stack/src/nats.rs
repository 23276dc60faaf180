//! One NATS node or a cluster of three, on the configuration of `infra/nats`.

mod cluster;
mod configuration;
mod monitor;
mod node;
mod observed;
mod options;
mod partition;
mod routes;

pub use cluster::NatsCluster;
pub use node::NatsNode;
pub use options::{NatsOptions, NatsUsers, Routes};
