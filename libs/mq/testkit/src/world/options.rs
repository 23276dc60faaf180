use std::time::Duration;

/// What a world consists of. The default is one flow, from `vibespro` to `sea`, on servers that all
/// tests of the process share, with settings short enough for a test.
#[derive(Clone, Debug)]
pub struct WorldOptions {
    /// Which servers.
    pub servers: ServerChoice,
    /// The contexts, by the names that the test uses.
    pub contexts: Vec<&'static str>,
    /// Who consumes whose events: (consumer, producer).
    pub subscriptions: Vec<(&'static str, &'static str)>,
    /// After what time the broker delivers again.
    pub ack_wait: Duration,
    /// How often the broker delivers, and how often a handler is tried.
    pub max_deliver: u32,
    /// How many messages the broker delivers ahead of their acks.
    pub max_ack_pending: u32,
    /// Size limit of each stream in bytes.
    pub max_bytes: u64,
    /// Copies of each message; `None`: one for each node.
    pub replicas: Option<u32>,
    /// Whether the durables are made at the start, or by [`World::apply_topology`](crate::World::apply_topology).
    pub apply_topology: bool,
}

impl Default for WorldOptions {
    fn default() -> Self {
        Self {
            servers: ServerChoice::Shared,
            contexts: vec!["vibespro", "sea"],
            subscriptions: vec![("sea", "vibespro")],
            ack_wait: Duration::from_secs(5),
            max_deliver: 5,
            max_ack_pending: 50,
            max_bytes: 50_000_000,
            replicas: None,
            apply_topology: true,
        }
    }
}

/// Which servers a world runs on.
#[derive(Clone, Debug, Default)]
pub enum ServerChoice {
    /// Postgres and three NATS nodes, shared by all tests of the process, without NATS users.
    #[default]
    Shared,
    /// Its own Postgres and this many NATS nodes, to be killed and frozen at will, without users.
    Own(usize),
    /// Its own Postgres and NATS nodes, with a NATS user for each context. The function may change
    /// the users' configuration before the nodes start.
    OwnWithUsers(usize, fn(String) -> String),
}
