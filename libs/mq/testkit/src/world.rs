//! Two or more contexts on real servers, with workers as real processes.

mod cleanup;
mod context;
mod emit;
mod environment;
mod options;
mod servers;
mod settle;
mod topology;
mod wait;
mod worker;

pub use context::TestContext;
pub use emit::Event;
pub use options::{ServerChoice, WorldOptions};
pub use servers::OwnServers;
pub use worker::{WorkerLaunch, WorkerProcess};

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_nats::HeaderMap;
use async_nats::jetstream;
use bytes::Bytes;
use sea_mq_event::ContextName;
use sea_mq_stack::{NatsCluster, Postgres, StateDir};
use sea_mq_stream::{Broker, ContextTopology};
use uuid::Uuid;

use crate::handler::{Answer, Call, EffectMode, Shared, TestHandler};
use crate::{Guarantee, TestkitError};
use servers::Servers;

/// Contexts, servers, and what runs on them. Made for one test, and gone with it.
pub struct World {
    options: WorldOptions,
    servers: Servers,
    contexts: BTreeMap<&'static str, TestContext>,
    topologies: BTreeMap<&'static str, ContextTopology>,
    broker: Broker,
    jetstream: jetstream::Context,
    state: StateDir,
    logs: Mutex<Vec<PathBuf>>,
    handlers: Mutex<Vec<(String, Arc<Shared>)>>,
}

impl World {
    /// Starts what is missing of the servers, provisions the contexts, applies the topology.
    ///
    /// # Errors
    /// Whatever of these failed.
    pub async fn start(options: WorldOptions) -> Result<Self, TestkitError> {
        let state = state_folder()?;
        let topologies = topology::declare(&options)?;
        let all: Vec<ContextTopology> = topologies.values().cloned().collect();
        let servers = Servers::start(&options.servers, &state, &all).await?;
        Self::make(options, servers, state, topologies).await
    }

    /// The same on servers that were started already, without NATS users. What `options` say of servers
    /// does not count.
    ///
    /// # Errors
    /// As [`World::start`].
    pub async fn on(own: OwnServers, options: WorldOptions) -> Result<Self, TestkitError> {
        let OwnServers { postgres, nats, state } = own;
        let options = WorldOptions { servers: ServerChoice::Own(nats.nodes().len()), ..options };
        let topologies = topology::declare(&options)?;
        let servers = Servers::Own { postgres: Box::new(postgres), nats, users: false };
        Self::make(options, servers, state, topologies).await
    }

    async fn make(
        options: WorldOptions,
        servers: Servers,
        state: StateDir,
        topologies: BTreeMap<&'static str, ContextTopology>,
    ) -> Result<Self, TestkitError> {
        let mut contexts = BTreeMap::new();
        for (known_as, topology) in &topologies {
            contexts
                .insert(*known_as, TestContext::make(servers.postgres(), topology.context.clone()).await?);
        }
        let world = Self {
            broker: Broker::connect(&servers.settings("provision")).await?,
            jetstream: jetstream::new(servers.client().await?),
            options,
            servers,
            contexts,
            topologies,
            state,
            logs: Mutex::default(),
            handlers: Mutex::default(),
        };
        if world.options.apply_topology {
            world.apply_topology().await?;
        }
        Ok(world)
    }

    /// One of its contexts, by the name that the options use.
    ///
    /// # Errors
    /// [`TestkitError::Unexpected`] when there is none of that name.
    pub fn context(&self, known_as: &str) -> Result<&TestContext, TestkitError> {
        self.contexts
            .get(known_as)
            .ok_or_else(|| TestkitError::Unexpected(format!("this world has no context `{known_as}`")))
    }

    /// The name of the durable by which `context` consumes.
    ///
    /// # Errors
    /// [`TestkitError::Unexpected`] when it does not.
    pub fn durable(&self, context: &str) -> Result<&str, TestkitError> {
        self.topologies
            .get(context)
            .and_then(|topology| topology.subscriptions.first())
            .map(|subscription| subscription.durable.as_str())
            .ok_or_else(|| TestkitError::Unexpected(format!("context `{context}` consumes nothing here")))
    }

    /// A handler for `context` that joins the inbox and does as it is told.
    ///
    /// # Errors
    /// No free port.
    pub async fn handler(
        &self,
        context: &str,
        behaviour: impl Fn(&Call) -> Answer + Send + Sync + 'static,
    ) -> Result<TestHandler, TestkitError> {
        self.handler_with(context, EffectMode::Joined, behaviour).await
    }

    /// A handler for `context` that makes its effects in the given mode.
    ///
    /// # Errors
    /// No free port.
    pub async fn handler_with(
        &self,
        context: &str,
        mode: EffectMode,
        behaviour: impl Fn(&Call) -> Answer + Send + Sync + 'static,
    ) -> Result<TestHandler, TestkitError> {
        let mut handler = self.absent_handler(context, mode, behaviour)?;
        handler.listen().await?;
        Ok(handler)
    }

    /// A handler for `context` that does not listen yet.
    ///
    /// # Errors
    /// No free port.
    pub fn absent_handler(
        &self,
        context: &str,
        mode: EffectMode,
        behaviour: impl Fn(&Call) -> Answer + Send + Sync + 'static,
    ) -> Result<TestHandler, TestkitError> {
        let handler = TestHandler::absent(self.context(context)?.app.clone(), mode, behaviour)?;
        lock(&self.handlers).push((context.to_owned(), Arc::clone(&handler.shared)));
        Ok(handler)
    }

    /// Publishes past every outbox, straight into a stream, and waits for the ack. Its sequence.
    ///
    /// # Errors
    /// [`TestkitError::Broker`].
    pub async fn publish_raw(
        &self,
        subject: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<u64, TestkitError> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, *value);
        }
        let doing = || format!("publishing to {subject}");
        let sent = self.jetstream.publish_with_headers(subject.to_owned(), map, body.into()).await;
        let ack =
            sent.map_err(TestkitError::broker(doing()))?.await.map_err(TestkitError::broker(doing()))?;
        Ok(ack.sequence)
    }

    /// A client of the broker that may do everything.
    #[must_use]
    pub fn jetstream(&self) -> &jetstream::Context {
        &self.jetstream
    }

    /// The broker, as the provisioning user.
    #[must_use]
    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    /// Its own Postgres, to be killed or frozen.
    ///
    /// # Errors
    /// [`TestkitError::Unexpected`] when it is shared with other tests.
    pub fn postgres(&mut self) -> Result<&mut Postgres, TestkitError> {
        match &mut self.servers {
            Servers::Own { postgres, .. } => Ok(postgres),
            Servers::Shared { .. } => Err(shared("Postgres")),
        }
    }

    /// Its own NATS nodes, to be killed or frozen.
    ///
    /// # Errors
    /// [`TestkitError::Unexpected`] when they are shared with other tests.
    pub fn nats(&mut self) -> Result<&mut NatsCluster, TestkitError> {
        match &mut self.servers {
            Servers::Own { nats, .. } => Ok(nats),
            Servers::Shared { .. } => Err(shared("NATS")),
        }
    }

    /// Where clients connect to its NATS nodes.
    #[must_use]
    pub fn nats_urls(&self) -> Vec<String> {
        self.servers.nats().client_urls()
    }

    /// The folder that holds the logs and, with own servers, their files.
    #[must_use]
    pub fn state(&self) -> &StateDir {
        &self.state
    }

    fn guarantee(&self, context: &str) -> Guarantee {
        let handlers = lock(&self.handlers);
        let mode = handlers.iter().rev().find(|(of, _)| of == context).map(|(_, shared)| shared.effects.mode);
        match mode {
            Some(EffectMode::Joined) | None => Guarantee::Joined,
            Some(EffectMode::KeyedById) => Guarantee::KeyedById,
            Some(EffectMode::Plain) => Guarantee::Plain,
        }
    }

    fn remember_log(&self, log: PathBuf) {
        lock(&self.logs).push(log);
    }

    fn logs(&self) -> Vec<PathBuf> {
        lock(&self.logs).clone()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let streams = |name: &ContextName| [name.event_stream(), name.dead_letter_stream()];
        match &self.servers {
            Servers::Own { .. } => {}
            Servers::Shared { postgres, nats } => cleanup::remove(cleanup::Leftovers {
                admin_url: postgres.admin_url(),
                nats: nats.client_urls(),
                databases: self.contexts.values().map(|context| format!("{}_db", context.name)).collect(),
                streams: self.contexts.values().flat_map(|context| streams(&context.name)).collect(),
            }),
        }
    }
}

/// `SEA_MQ_TEST_STATE` names a folder in which logs stay, for who looks into a failure.
fn state_folder() -> Result<StateDir, TestkitError> {
    match std::env::var_os("SEA_MQ_TEST_STATE") {
        Some(folder) => Ok(StateDir::kept(PathBuf::from(folder).join(Uuid::new_v4().simple().to_string()))?),
        None => Ok(StateDir::temporary()?),
    }
}

fn shared(what: &str) -> TestkitError {
    TestkitError::Unexpected(format!(
        "{what} is shared with other tests: start a world with ServerChoice::Own"
    ))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
