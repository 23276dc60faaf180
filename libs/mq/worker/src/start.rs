//! Waiting for what the worker needs, in any order, and saying which one it waits for.

use std::time::Duration;

use sea_mq_config::{NatsAuth, NatsSettings, Settings, TopologyMode};
use sea_mq_contracts::Contracts;
use sea_mq_database::{ConnectOptions, DatabaseError, ErrorKind, connect, schema_status};
use sea_mq_observe::{Health, Status};
use sea_mq_stream::{
    Auth, Broker, ConnectSettings, ContextTopology, Step, StreamError, SubscriptionTopology, TlsFiles,
    Topology, apply, verify,
};
use sqlx::PgPool;

use crate::leases::in_one_line;
use crate::run::WorkerError;

const AGAIN: Duration = Duration::from_millis(500);

/// The contracts that events are checked against, compiled.
pub(crate) fn contracts(settings: &Settings) -> Result<Contracts, WorkerError> {
    let Some(folder) = &settings.contracts_dir else { return Ok(Contracts::none()) };
    let contracts = Contracts::load(folder).map_err(WorkerError::Contracts)?;
    if contracts.is_empty() {
        tracing::warn!(folder = %folder.display(), "CONTRACTS_DIR holds no contract: no event is checked");
    } else {
        tracing::info!(folder = %folder.display(), contracts = contracts.len(), "events are checked against their contracts");
    }
    Ok(contracts)
}

/// At most `connections` to the database, once it is there and its schema is what this program knows.
pub(crate) async fn database(
    settings: &Settings,
    health: &Health,
    connections: u32,
) -> Result<PgPool, WorkerError> {
    let options = ConnectOptions {
        max_connections: connections,
        application_name: format!("sea-mq-worker {}", settings.context),
        ..ConnectOptions::default()
    };
    let mut waits = Waits::new(health, "database");
    let pool = loop {
        match connect(settings.database.url.expose(), &options).await {
            Ok(pool) => break pool,
            Err(error) if error.kind() == ErrorKind::Unreachable => waits.on(&in_one_line(&error)).await,
            Err(error) => return Err(error.into()),
        }
    };
    loop {
        let standing = async { schema_status(&mut *pool.acquire().await?).await }.await;
        match standing {
            Ok(status) if !status.newer.is_empty() || !status.changed.is_empty() => {
                return Err(WorkerError::Schema(format!(
                    "the database's schema is not the one this worker was built for (newer migrations {:?}, changed {:?}): install the matching version",
                    status.newer,
                    status.changed.iter().map(|m| m.version).collect::<Vec<_>>()
                )));
            }
            Ok(status) if status.context.as_deref().is_some_and(|c| c != settings.context.as_str()) => {
                return Err(WorkerError::Schema(format!(
                    "the database is of context `{}`, this worker serves `{}`: check DB_URL and CONTEXT",
                    status.context.unwrap_or_default(),
                    settings.context
                )));
            }
            Ok(status) if status.is_current() => return Ok(pool),
            Ok(status) => {
                let pending: Vec<i64> = status.pending.iter().map(|m| m.version).collect();
                waits.on(&format!("migrations {pending:?} are not applied; run `sea-mq db migrate`")).await;
            }
            Err(error) => waits.on(&in_one_line(&error)).await,
        }
    }
}

/// One connection to the broker, once it is there.
pub(crate) async fn broker(settings: &Settings, health: &Health, role: &str) -> Result<Broker, WorkerError> {
    let connection = connect_settings(&settings.nats, settings.context.as_str(), role)?;
    let mut waits = Waits::new(health, "nats");
    loop {
        match Broker::connect(&connection).await {
            Ok(broker) => return Ok(broker),
            Err(
                error @ (StreamError::LoginRefused { .. }
                | StreamError::Credentials { .. }
                | StreamError::BadAddress { .. }),
            ) => {
                return Err(error.into());
            }
            Err(error) => waits.on(&in_one_line(&error)).await,
        }
    }
}

fn connect_settings(nats: &NatsSettings, context: &str, role: &str) -> Result<ConnectSettings, WorkerError> {
    let auth = match &nats.auth {
        NatsAuth::Anonymous => Auth::None,
        NatsAuth::User { user, password } => {
            Auth::UserPassword { user: user.clone(), password: password.expose().to_owned() }
        }
        NatsAuth::Credentials(text) => Auth::Credentials(text.expose().to_owned()),
        NatsAuth::Token(token) => Auth::Token(token.expose().to_owned()),
    };
    let tls = nats.tls.as_ref().map(|tls| TlsFiles {
        cert: tls.identity.as_ref().map(|i| i.cert.clone()),
        key: tls.identity.as_ref().map(|i| i.key.clone()),
        ca: tls.ca.clone(),
    });
    Ok(ConnectSettings {
        auth,
        tls,
        connect_timeout: nats.connect_timeout,
        reconnect_max: nats.reconnect_max,
        reconnect_delay: nats.reconnect_delay,
        domain: nats.domain.clone(),
        client_name: format!("sea-mq-worker {context} {role}"),
        ..ConnectSettings::new(nats.servers.clone(), context)
    })
}

/// The topology that the settings declare.
pub(crate) fn declared(settings: &Settings) -> Topology {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let subscriptions = settings.subscriptions.iter().map(|s| SubscriptionTopology {
        ack_wait: s.ack_wait,
        max_deliver: s.max_deliver,
        max_ack_pending: number(s.max_ack_pending),
        ..SubscriptionTopology::new(&s.stream, &s.subject, &s.durable)
    });
    Topology::for_context(&ContextTopology {
        publish_stream: settings.publisher.stream.clone(),
        publish_prefix: settings.publisher.prefix.clone(),
        dlq_stream: settings.dlq_stream.clone(),
        dlq_prefix: settings.dlq_prefix.clone(),
        max_bytes: settings.stream_max_bytes,
        subscriptions: subscriptions.collect(),
        ..ContextTopology::new(settings.context.clone(), number(settings.stream_replicas))
    })
}

/// Waits until the topology is as declared; makes it so when told to.
pub(crate) async fn topology(
    settings: &Settings,
    broker: &Broker,
    health: &Health,
) -> Result<(), WorkerError> {
    let declared = declared(settings);
    let mut waits = Waits::new(health, "topology");
    loop {
        let standing = match settings.topology {
            TopologyMode::Ensure => ensure(broker, &declared).await,
            TopologyMode::Verify => look(broker, &declared).await,
        };
        match standing {
            Ok(None) => {
                health.set("topology", Status::Up);
                return Ok(());
            }
            Ok(Some(absent)) => waits.on(&absent).await,
            Err(error @ WorkerError::Topology(_)) => return Err(error),
            Err(WorkerError::Stream(
                error @ (StreamError::TopologyRefused { .. } | StreamError::Denied { .. }),
            )) => {
                return Err(error.into());
            }
            Err(error) => waits.on(&in_one_line(&error)).await,
        }
    }
}

/// Applies; tells what still waits for somebody else's stream.
async fn ensure(broker: &Broker, declared: &Topology) -> Result<Option<String>, WorkerError> {
    let plan = apply(broker, declared).await?;
    let blocked = plan.steps.iter().find(|step| matches!(step, Step::Blocked { .. }));
    Ok(blocked.map(|step| format!("{step:?}")))
}

/// Verifies; tells what is absent.
async fn look(broker: &Broker, declared: &Topology) -> Result<Option<String>, WorkerError> {
    let found = verify(broker, declared).await?;
    if !found.drift.is_empty() {
        let lines: Vec<String> = found
            .drift
            .iter()
            .map(|d| format!("{}: {} is {}, declared is {}; {}", d.object, d.field, d.have, d.want, d.remedy))
            .collect();
        return Err(WorkerError::Topology(lines.join("\n")));
    }
    let absent: Vec<String> = found.absent.iter().map(ToString::to_string).collect();
    Ok((!absent.is_empty())
        .then(|| format!("{} not there yet; run `sea-mq topology apply`", absent.join(", "))))
}

/// Says what is waited for, once for each reason.
struct Waits<'a> {
    health: &'a Health,
    what: &'static str,
    said: String,
}

impl<'a> Waits<'a> {
    fn new(health: &'a Health, what: &'static str) -> Self {
        Self { health, what, said: String::new() }
    }

    async fn on(&mut self, why: &str) {
        if self.said != why {
            tracing::warn!("waiting for the {}: {why}", self.what);
            why.clone_into(&mut self.said);
        }
        self.health.set(self.what, Status::waiting(why));
        tokio::time::sleep(AGAIN).await;
    }
}

impl WorkerError {
    /// The exit code that goes with it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Database(error) => error.kind().exit_code(),
            Self::Stream(StreamError::LoginRefused { .. } | StreamError::Denied { .. }) => 77,
            Self::Stream(StreamError::Credentials { .. } | StreamError::BadAddress { .. })
            | Self::Topology(_)
            | Self::Handler(_)
            | Self::NoHandlers(_)
            | Self::Contracts(_) => 64,
            Self::Stream(_)
            | Self::Schema(_)
            | Self::Observe(_)
            | Self::TaskEnded(_)
            | Self::BrokerGone(_) => 1,
        }
    }
}

impl From<DatabaseError> for WorkerError {
    fn from(error: DatabaseError) -> Self {
        Self::Database(Box::new(error))
    }
}
