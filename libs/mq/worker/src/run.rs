//! Composition and supervision: what runs, what happens when it ends.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sea_mq_config::{IN_PROCESS, Settings, Subscription};
use sea_mq_contracts::{Contracts, ContractsError};
use sea_mq_database::DatabaseError;
use sea_mq_dispatch::{HandlerUrlError, Signer};
use sea_mq_event::LANES;
use sea_mq_inbox::Inbox;
use sea_mq_lease::Role;
use sea_mq_observe::{Health, HttpServer, Metrics, ObserveError, Progress, Status};
use sea_mq_outbox::Outbox;
use sea_mq_stream::{Broker, StreamError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::InProcess;
use crate::dispatch::{Dispatcher, Handler, Shared};
use crate::ingest::Ingest;
use crate::leases::{Keeper, Leases, in_one_line};
use crate::maintain::Maintenance;
use crate::publish::Publisher;
use crate::start;

/// Work that waits while nothing settles for this long makes the worker not ready.
const STALLED: Duration = Duration::from_secs(60);

/// Why a worker ended other than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The database refuses this worker.
    #[error(transparent)]
    Database(Box<DatabaseError>),
    /// The broker refuses this worker.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The schema is not this program's.
    #[error("{0}")]
    Schema(String),
    /// Streams or consumers differ from what is declared.
    #[error("the topology is not as declared:\n{0}")]
    Topology(String),
    /// The handler's URL cannot be used.
    #[error(transparent)]
    Handler(#[from] HandlerUrlError),
    /// Events are to be handed to handlers that this program does not have.
    #[error(
        "HANDLER_URL of {0} is in-process, and this program has no handlers of its own: say the URL of a handler, or run the program that has them"
    )]
    NoHandlers(String),
    /// The contracts cannot be used.
    #[error("the contracts that CONTRACTS_DIR names cannot be used")]
    Contracts(#[source] ContractsError),
    /// Health and metrics cannot be served.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// A task ended that should not have.
    #[error("the task `{0}` ended unexpectedly: the worker stops, so that another instance takes over")]
    TaskEnded(String),
    /// The client gave up reconnecting.
    #[error("the connection to NATS is gone for good: {0}")]
    BrokerGone(String),
}

/// Runs a worker until `stop`, then drains it within the configured grace. Subscriptions whose handler is in the
/// process hand their events to `handlers`.
///
/// # Errors
/// [`WorkerError`]; its [`WorkerError::exit_code`] is the process's.
pub async fn run(
    settings: Settings,
    metrics: Metrics,
    handlers: Option<InProcess>,
    stop: CancellationToken,
) -> Result<(), WorkerError> {
    let contracts = start::contracts(&settings)?;
    let chosen: Vec<Handler> = settings
        .subscriptions
        .iter()
        .map(|subscription| handler(&settings, subscription, handlers.as_ref()))
        .collect::<Result<_, _>>()?;
    let health = Health::new(&["database", "nats", "topology"]);
    let address = SocketAddr::new(settings.observe.metrics_host, settings.observe.metrics_port);
    let server = HttpServer::bind(address, health.clone(), metrics).await?;
    tracing::info!(address = %server.local_addr(), "health and metrics");
    let serving = CancellationToken::new();
    let http = tokio::spawn(server.run(serving.clone()));
    let result = tokio::select! {
        started = Started::wait_for(&settings, contracts, &health) => match started {
            Ok(started) => started.run(settings, chosen, health.clone(), &stop).await,
            Err(error) => Err(error),
        },
        () = stop.cancelled() => Ok(()),
    };
    serving.cancel();
    let _ = http.await;
    result
}

/// Everything that has to be there.
struct Started {
    contracts: Contracts,
    pool: sqlx::PgPool,
    /// The leases' own connections: renewing must not wait for the work that it keeps.
    leasing: sqlx::PgPool,
    publishing: Broker,
    consuming: Broker,
}

impl Started {
    async fn wait_for(
        settings: &Settings,
        contracts: Contracts,
        health: &Health,
    ) -> Result<Self, WorkerError> {
        let subscriptions = u32::try_from(settings.subscriptions.len()).unwrap_or(u32::MAX);
        let pool = start::database(settings, health, 6 + 12 * subscriptions.min(8)).await?;
        let leasing = start::database(settings, health, 2).await?;
        health.set("database", Status::Up);
        // Two connections: a message that breaks the consumer's leaves the publisher's alone.
        let publishing = start::broker(settings, health, "publisher").await?;
        let consuming = start::broker(settings, health, "consumer").await?;
        health.set("nats", Status::Up);
        start::topology(settings, &publishing, health).await?;
        Ok(Self { contracts, pool, leasing, publishing, consuming })
    }

    async fn run(
        self,
        settings: Settings,
        handlers: Vec<Handler>,
        health: Health,
        stop: &CancellationToken,
    ) -> Result<(), WorkerError> {
        let grace = settings.shutdown_grace;
        let mut tasks = Tasks::new(stop.child_token());
        let leases_stop = CancellationToken::new();
        let mut roles = vec![role(sea_mq_outbox::ROLE.to_owned(), LANES)];
        let inboxes: Vec<Inbox> =
            settings.subscriptions.iter().map(|s| Inbox::new(self.pool.clone(), &s.durable)).collect();
        for inbox in &inboxes {
            roles.push(role(inbox.ingest_role().to_owned(), 1));
            roles.push(role(inbox.dispatch_role().to_owned(), LANES));
        }
        let name = format!("{}:{}", hostname(), std::process::id());
        let (keeper, leases) = Keeper::new(self.leasing.clone(), name, roles, health.clone());
        let mut keeping = tokio::spawn(keeper.run(tasks.stop.clone(), leases_stop.clone()));

        let outbox = Outbox::new(self.pool.clone());
        let progress = Progress::new("publish", STALLED);
        health.watch(progress.clone());
        let publisher = Publisher {
            outbox: outbox.clone(),
            broker: self.publishing.clone(),
            settings: settings.publisher.clone(),
            contracts: self.contracts.clone(),
            leases: leases.clone(),
            health: health.clone(),
            progress,
        };
        let publishing = leases.clone();
        tasks.spawn("publisher", |stop| publishing.work(sea_mq_outbox::ROLE.to_owned(), publisher.run(stop)));
        for ((subscription, inbox), handler) in settings.subscriptions.iter().zip(&inboxes).zip(handlers) {
            self.consume(&mut tasks, &settings, Consumer { subscription, inbox, handler }, &leases, &health);
        }
        let maintenance = Maintenance {
            outbox,
            inboxes,
            subscriptions: settings.subscriptions.clone(),
            retention: settings.retention,
            publishing: self.publishing.clone(),
            consuming: self.consuming.clone(),
            leases,
            health: health.clone(),
        };
        tasks.spawn("maintenance", |stop| maintenance.run(stop));

        tracing::info!(context = %settings.context, subscriptions = settings.subscriptions.len(), "running");
        let ended = tokio::select! {
            // First: once told to stop, a task that ends is as it should be.
            biased;
            () = stop.cancelled() => Ok(()),
            _ = &mut keeping => Err(WorkerError::TaskEnded("leases".to_owned())),
            name = tasks.one_ended() => Err(WorkerError::TaskEnded(name)),
            why = self.publishing.closed() => Err(WorkerError::BrokerGone(why)),
            why = self.consuming.closed() => Err(WorkerError::BrokerGone(why)),
        };
        health.drain();
        tracing::info!(grace_secs = grace.as_secs(), "stopping: finishing what is in hand");
        tasks.drain(grace).await;
        leases_stop.cancel();
        if !keeping.is_finished() {
            let _ = tokio::time::timeout(Duration::from_secs(2), keeping).await;
        }
        self.publishing.close().await;
        self.consuming.close().await;
        tracing::info!("stopped");
        ended
    }

    fn consume(
        &self,
        tasks: &mut Tasks,
        settings: &Settings,
        Consumer { subscription, inbox, handler }: Consumer<'_>,
        leases: &Leases,
        health: &Health,
    ) {
        let shared = Shared::new(subscription);
        let (sender, reserved) = mpsc::unbounded_channel();
        let progress = Progress::new(format!("dispatch {}", subscription.durable), STALLED);
        health.watch(progress.clone());
        let ingest = Ingest {
            inbox: inbox.clone(),
            broker: self.consuming.clone(),
            subscription: subscription.clone(),
            contracts: self.contracts.clone(),
            leases: leases.clone(),
            health: health.clone(),
            shared: Arc::clone(&shared),
            reserved: sender,
            told_of: Mutex::default(),
        };
        let dispatcher = Dispatcher {
            inbox: inbox.clone(),
            broker: self.publishing.clone(),
            handler,
            subscription: subscription.clone(),
            dlq_stream: settings.dlq_stream.clone(),
            dlq_prefix: settings.dlq_prefix.clone(),
            leases: leases.clone(),
            health: health.clone(),
            progress,
            shared,
            reserved,
        };
        let (ingesting, dispatching) = (leases.clone(), leases.clone());
        let (ingest_role, dispatch_role) = (inbox.ingest_role().to_owned(), inbox.dispatch_role().to_owned());
        tasks.spawn(&format!("ingest {}", subscription.durable), |stop| {
            ingesting.work(ingest_role, ingest.run(stop))
        });
        tasks.spawn(&format!("dispatch {}", subscription.durable), |stop| {
            dispatching.work(dispatch_role, dispatcher.run(stop))
        });
    }
}

/// What a subscription's events pass through.
struct Consumer<'a> {
    subscription: &'a Subscription,
    inbox: &'a Inbox,
    handler: Handler,
}

/// Whom the events of a subscription are handed to.
fn handler(
    settings: &Settings,
    subscription: &Subscription,
    handlers: Option<&InProcess>,
) -> Result<Handler, WorkerError> {
    if subscription.handler_url == IN_PROCESS {
        let handlers = handlers.ok_or_else(|| WorkerError::NoHandlers(subscription.durable.clone()))?;
        return Ok(Handler::InProcess(handlers.clone(), subscription.handler_timeout));
    }
    let handler = sea_mq_dispatch::Handler::new(&subscription.handler_url, subscription.handler_timeout)?;
    Ok(Handler::Http(Box::new(handler.signed(Signer::new(settings.signing_keys.expose())))))
}

/// Named tasks: each runs until the stop, and an earlier end, or a panic, ends the worker.
struct Tasks {
    set: JoinSet<String>,
    stop: CancellationToken,
}

impl Tasks {
    fn new(stop: CancellationToken) -> Self {
        Self { set: JoinSet::new(), stop }
    }

    fn spawn<F>(&mut self, name: &str, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (name, running) = (name.to_owned(), task(self.stop.clone()));
        self.set.spawn(async move {
            running.await;
            name
        });
    }

    /// The name of the next task that ends.
    async fn one_ended(&mut self) -> String {
        match self.set.join_next().await {
            Some(Ok(name)) => name,
            Some(Err(error)) => in_one_line(&error),
            None => std::future::pending().await,
        }
    }

    /// Tells all to stop and waits for them; what is not done within the grace is cut off. Nothing
    /// is lost then: it is as if the process had died.
    async fn drain(&mut self, grace: Duration) {
        self.stop.cancel();
        let all = async { while self.set.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, all).await.is_err() {
            tracing::warn!("not everything was finished within the grace period; others carry on");
            self.set.shutdown().await;
        }
    }
}

fn role(name: String, lanes: i16) -> Role {
    Role { name: Arc::from(name), lanes }
}

fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "host".to_owned(), |h| h.trim().to_owned())
}
