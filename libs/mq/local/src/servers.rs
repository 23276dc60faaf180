use std::sync::Arc;

use sea_mq_event::ContextName;
use sea_mq_stack::{
    Binaries, NatsCluster, NatsOptions, NatsUsers, Postgres, PostgresOptions, StackError, StateDir,
};
use sea_mq_stream::{Auth, Broker, ConnectSettings, ContextTopology, SubscriptionTopology, users_conf};

use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::task::JoinSet;

use crate::keeping::{POSTGRES, keep_nats, keep_postgres};
use crate::notice::Notices;
use crate::secrets::Secrets;
use crate::{Description, LocalError};

/// The servers that a system runs on.
#[derive(Debug)]
pub(crate) struct Servers {
    /// Where Postgres' superuser connects.
    pub(crate) admin_url: String,
    /// Where NATS clients connect.
    pub(crate) nats_urls: Vec<String>,
    postgres: Arc<Mutex<Postgres>>,
    nats: Arc<Mutex<NatsCluster>>,
    /// Those that start again what ended.
    keeping: JoinSet<()>,
    /// Why Postgres is gone for good.
    gone: watch::Sender<Option<String>>,
}

impl Servers {
    /// Starts Postgres and NATS, with a NATS user of least privilege for each context.
    pub(crate) async fn start(
        state: &StateDir,
        description: &Description,
        secrets: &Secrets,
    ) -> Result<Self, LocalError> {
        let binaries = Binaries::find()?;
        let options = NatsOptions {
            users: NatsUsers::Text(users_conf(&topologies(description))),
            environment: passwords(description, secrets),
            ..NatsOptions::nodes(description.nats_nodes)
        };
        let (postgres, nats) = tokio::try_join!(
            Postgres::start(&binaries, state, PostgresOptions::default()),
            NatsCluster::start(&binaries, state, options),
        )?;
        Ok(Self {
            admin_url: postgres.admin_url(),
            nats_urls: nats.client_urls(),
            postgres: Arc::new(Mutex::new(postgres)),
            nats: Arc::new(Mutex::new(nats)),
            keeping: JoinSet::new(),
            gone: watch::Sender::new(None),
        })
    }

    /// From now on they are started again whenever they end.
    pub(crate) fn keep(&mut self, notices: &Notices) {
        let (postgres, nats) = (Arc::downgrade(&self.postgres), Arc::downgrade(&self.nats));
        self.keeping.spawn(keep_postgres(postgres, notices.clone(), self.gone.clone()));
        self.keeping.spawn(keep_nats(nats, notices.clone()));
    }

    /// Returns when Postgres has ended and cannot be started again; why not.
    pub(crate) async fn gone(&self) -> String {
        let mut gone = self.gone.subscribe();
        match gone.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            // It is sent from here, so there is always a sender.
            Err(_no_sender) => std::future::pending().await,
        }
    }

    /// Postgres, while nobody starts it again.
    pub(crate) async fn postgres(&self) -> MutexGuard<'_, Postgres> {
        self.postgres.lock().await
    }

    /// SIGKILL to `postgres` or `nats-1` and so on; false when it is no server of that name.
    pub(crate) async fn kill(&self, name: &str) -> bool {
        if name == POSTGRES {
            self.postgres.lock().await.kill().await;
            return true;
        }
        let mut nats = self.nats.lock().await;
        let index = nats.nodes().iter().position(|node| node.name() == name);
        if let Some(index) = index {
            nats.node(index).kill().await;
        }
        index.is_some()
    }

    /// Ends them in order.
    pub(crate) async fn stop(&mut self) -> Result<(), LocalError> {
        self.keeping.shutdown().await;
        let (postgres, nats) =
            tokio::join!(stop_postgres(&self.postgres), async { self.nats.lock().await.stop().await });
        postgres?;
        nats?;
        Ok(())
    }

    /// A connection that may look at everything.
    pub(crate) async fn operator(&self, secrets: &Secrets) -> Result<Broker, LocalError> {
        let password = secrets.get("operator", "nats").to_owned();
        let settings = ConnectSettings {
            auth: Auth::UserPassword { user: "operator".to_owned(), password },
            ..ConnectSettings::new(self.nats_urls.clone(), "operator")
        };
        Ok(Broker::connect(&settings).await?)
    }
}

async fn stop_postgres(postgres: &Mutex<Postgres>) -> Result<(), StackError> {
    let mut postgres = postgres.lock().await;
    if postgres.process().is_running() { postgres.stop().await } else { Ok(()) }
}

/// What each context may do follows from what it consumes.
fn topologies(description: &Description) -> Vec<ContextTopology> {
    let replicas = u32::try_from(description.nats_nodes).unwrap_or(1);
    description
        .contexts
        .iter()
        .map(|(name, described)| {
            let mut topology = ContextTopology::new(name.clone(), replicas);
            topology.subscriptions =
                described.consumes.iter().map(|source| subscription(name, source)).collect();
            topology
        })
        .collect()
}

fn subscription(name: &ContextName, source: &ContextName) -> SubscriptionTopology {
    let filter = format!("{}>", source.event_prefix());
    SubscriptionTopology::new(&source.event_stream(), &filter, &format!("{name}__from_{source}"))
}

/// As `users.conf` refers to them.
fn passwords(description: &Description, secrets: &Secrets) -> Vec<(String, String)> {
    let contexts = description.contexts.keys().map(ContextName::as_str);
    contexts
        .chain(["operator", "provision"])
        .map(|user| {
            let password = secrets.get(user, "nats");
            (format!("NATS_{}_PASSWORD", user.to_ascii_uppercase()), format!("\"{password}\""))
        })
        .collect()
}
