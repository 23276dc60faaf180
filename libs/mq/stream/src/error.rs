use std::time::Duration;

/// What went wrong between this process and JetStream, to what, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// An address of the settings cannot be parsed.
    #[error("`{address}` is not a NATS server address ({reason}): write nats://host:port or tls://host:port")]
    BadAddress {
        /// The address, without its password.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No server answered.
    #[error(
        "no NATS server can be reached at {servers}: {reason}; check that one runs there and that the address and the firewall are right"
    )]
    Unreachable {
        /// The servers that were tried.
        servers: String,
        /// The last attempt's failure.
        reason: String,
    },
    /// A server answered and refused the login.
    #[error(
        "NATS at {servers} refuses the login of {identity} (authorization violation): check NATS_USER and its password, NATS_CREDS or NATS_AUTH_TOKEN against the server's users"
    )]
    LoginRefused {
        /// The servers that were tried.
        servers: String,
        /// Who tried, without the secret.
        identity: String,
    },
    /// TLS failed, or its files could not be used.
    #[error(
        "TLS to NATS at {servers} fails: {reason}; check NATS_TLS_CA, NATS_TLS_CERT and NATS_TLS_KEY, and that the server's certificate carries its host name"
    )]
    Tls {
        /// The servers that were tried.
        servers: String,
        /// What failed.
        reason: String,
    },
    /// The credentials could not be used.
    #[error("the NATS credentials (NATS_CREDS) cannot be used: {reason}")]
    Credentials {
        /// What is wrong with it.
        reason: String,
    },
    /// The server does not permit it.
    #[error("{doing}: NATS does not permit this user to use `{subject}`; {remedy}")]
    Denied {
        /// What was being done.
        doing: String,
        /// The subject that was refused.
        subject: String,
        /// Who must do what.
        remedy: String,
    },
    /// There is no such stream.
    #[error(
        "{doing}: there is no stream {stream}; create it with `sea-mq topology apply` and the provisioning user"
    )]
    StreamMissing {
        /// What was being done.
        doing: String,
        /// The stream.
        stream: String,
    },
    /// There is no such durable consumer.
    #[error(
        "{doing}: stream {stream} has no durable consumer {durable}; create it with `sea-mq topology apply` and the provisioning user"
    )]
    ConsumerMissing {
        /// What was being done.
        doing: String,
        /// The stream.
        stream: String,
        /// The durable consumer.
        durable: String,
    },
    /// The connection is down, or went down before the answer came.
    #[error("{doing}: the connection to NATS is down; it is retried by itself")]
    Disconnected {
        /// What was being done.
        doing: String,
    },
    /// No answer in time.
    #[error(
        "{doing}: NATS gave no answer within {after:?}; a stream without a leader or an overloaded server does this, see `/healthz` of the servers"
    )]
    Timeout {
        /// What was being done.
        doing: String,
        /// How long was waited.
        after: Duration,
    },
    /// Nobody serves the request.
    #[error(
        "{doing}: JetStream does not answer (503 no responders): it is not enabled there, its domain is wrong, or it has no leader at this moment"
    )]
    NoResponders {
        /// What was being done.
        doing: String,
    },
    /// JetStream answered with an error.
    #[error("{doing}: JetStream refuses: {description} (code {code}, error {err_code}){hint}")]
    Api {
        /// What was being done.
        doing: String,
        /// Status in the manner of HTTP.
        code: u16,
        /// JetStream's own error number.
        err_code: u16,
        /// JetStream's words.
        description: String,
        /// What to do, when that is known; starts with `; `.
        hint: &'static str,
    },
    /// The answer was not understood.
    #[error(
        "{doing}: the answer of NATS cannot be understood: {reason}; is something other than JetStream answering there?"
    )]
    Unreadable {
        /// What was being done.
        doing: String,
        /// Why not.
        reason: String,
    },
    /// The client cannot send it.
    #[error("{doing}: it cannot be sent: {reason}")]
    Unsendable {
        /// What was being done.
        doing: String,
        /// Why not.
        reason: String,
    },
    /// The topology cannot be made what is declared without harm.
    #[error(
        "the topology was left as it is, because {count} of its parts cannot be changed in place:\n{refusals}"
    )]
    TopologyRefused {
        /// How many.
        count: usize,
        /// One line for each: object, field, reason and way out.
        refusals: String,
    },
    /// A missing range could not be read for certain; what was read of it does not count.
    #[error(
        "the missing range of stream {stream} was not read for certain through consumer {consumer}: {reason}; it is read again"
    )]
    RangeDisturbed {
        /// The stream.
        stream: String,
        /// The short-lived consumer.
        consumer: String,
        /// What happened.
        reason: String,
    },
}

impl StreamError {
    /// True for what passes by itself: a lost connection, an election, a reader that was disturbed.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Disconnected { .. }
            | Self::Timeout { .. }
            | Self::NoResponders { .. }
            | Self::RangeDisturbed { .. } => true,
            Self::Api { code, .. } => *code == 503,
            Self::BadAddress { .. }
            | Self::Unreachable { .. }
            | Self::LoginRefused { .. }
            | Self::Tls { .. }
            | Self::Credentials { .. }
            | Self::Denied { .. }
            | Self::StreamMissing { .. }
            | Self::ConsumerMissing { .. }
            | Self::Unreadable { .. }
            | Self::Unsendable { .. }
            | Self::TopologyRefused { .. } => false,
        }
    }
}

/// Why a pull brought no messages.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The durable consumer is gone.
    #[error(
        "stream {stream} has no durable consumer {durable}; create it with `sea-mq topology apply` and the provisioning user"
    )]
    ConsumerMissing {
        /// The stream.
        stream: String,
        /// The durable consumer.
        durable: String,
    },
    /// The stream is gone.
    #[error(
        "there is no stream {stream} to pull {durable} from; create it with `sea-mq topology apply` and the provisioning user"
    )]
    StreamMissing {
        /// The stream.
        stream: String,
        /// The durable consumer.
        durable: String,
    },
    /// The server does not permit this user to pull.
    #[error("NATS does not permit this user to pull {durable} of stream {stream} (`{subject}`); {remedy}")]
    Denied {
        /// The stream.
        stream: String,
        /// The durable consumer.
        durable: String,
        /// The subject that was refused.
        subject: String,
        /// Who must do what.
        remedy: String,
    },
    /// The connection is down; it is retried by itself.
    #[error("pulling {durable} of stream {stream}: the connection to NATS is down; it is retried by itself")]
    Disconnected {
        /// The stream.
        stream: String,
        /// The durable consumer.
        durable: String,
    },
    /// Something that passes or that only a person can explain; pulling again is right.
    #[error("pulling {durable} of stream {stream}: {reason}")]
    Other {
        /// The stream.
        stream: String,
        /// The durable consumer.
        durable: String,
        /// What the server said.
        reason: String,
    },
}

/// What to do about a denial: the same for everything that a worker may not.
pub(crate) const DENIED_REMEDY: &str = "topology is applied with `sea-mq topology apply` and the provisioning user, and a worker's permissions are the ones that infra/nats/users.conf lists for its context";
