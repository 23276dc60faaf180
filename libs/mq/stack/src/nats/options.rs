//! How the nodes run.

use crate::StackError;

/// The values of a node's environment that do not differ from node to node.
#[derive(Debug, Clone)]
pub struct NatsOptions {
    /// 1, or 3 for a cluster.
    pub nodes: usize,
    /// `always` (each write reaches the disk before its ack), or a time such as `2m`.
    pub sync_interval: String,
    /// Largest message, for example `1MB`.
    pub max_payload: String,
    /// What JetStream may use on disk, per node; at least the sum of the
    /// streams' `max_bytes`. A limit, not a reservation.
    pub max_file_store: String,
    /// Who may connect.
    pub users: NatsUsers,
    /// Further environment of the nodes: the passwords that the users refer to.
    pub environment: Vec<(String, String)>,
}

/// Which users the nodes know.
#[derive(Debug, Clone, Default)]
pub enum NatsUsers {
    /// Everybody may do everything.
    #[default]
    Anyone,
    /// `infra/nats/users.conf`, as it is deployed.
    Project,
    /// The text of an `authorization` or `accounts` block.
    Text(String),
}

impl NatsOptions {
    /// This many nodes, 1 or 3, durable as in production, without users.
    pub fn nodes(nodes: usize) -> Self {
        Self {
            nodes,
            sync_interval: "always".into(),
            max_payload: "1MB".into(),
            max_file_store: "200GB".into(),
            users: NatsUsers::Anyone,
            environment: Vec::new(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), StackError> {
        match self.nodes {
            1 | 3 => Ok(()),
            other => Err(StackError::Setting(format!("a NATS stack has 1 or 3 nodes, not {other}"))),
        }
    }
}
