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
    /// How the nodes of a cluster reach each other.
    pub routes: Routes,
    /// Gives each node a small disk of so many bytes of its own, which can be
    /// filled; see [`Disk`](crate::Disk). It takes memory as it fills.
    pub disk: Option<u64>,
    /// Text in the servers' configuration language that follows the project's
    /// own and takes precedence, for example `ping_interval: "1s"`.
    pub further: String,
}

/// How the nodes of a cluster reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Routes {
    /// Each connects to the others' own addresses.
    #[default]
    Direct,
    /// A [`Link`](crate::Link) for each ordered pair of nodes, and no way around
    /// them: nodes cannot tell each other their addresses, nor their clients
    /// those of other nodes. A client stays on the addresses that it was given.
    Linked,
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
            routes: Routes::Direct,
            disk: None,
            further: String::new(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), StackError> {
        let problem = match (self.nodes, self.routes) {
            (1, Routes::Linked) => "one node alone has no routes to link; start three".to_owned(),
            (1, Routes::Direct) | (3, Routes::Direct | Routes::Linked) => return Ok(()),
            (other, _) => format!("a NATS stack has 1 or 3 nodes, not {other}"),
        };
        Err(StackError::Setting(problem))
    }
}
