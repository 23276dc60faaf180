use sea_mq_stack::{Binaries, NatsCluster, NatsOptions, NatsUsers, Postgres, PostgresOptions, StateDir};
use sea_mq_stream::{Auth, Broker, ConnectSettings, ContextTopology, SubscriptionTopology, Topology, apply};

use crate::context::{Context, Secrets, secret};

/// Attempts after which sea's and vibespro's workers give an event up in this demo.
pub(crate) const MAX_DELIVER: u32 = 5;
const REPLICAS: u32 = 3;

/// The servers that everything runs on.
#[derive(Debug)]
pub(crate) struct Servers {
    pub(crate) postgres: Postgres,
    pub(crate) nats: NatsCluster,
    provision_password: String,
    operator_password: String,
}

impl Servers {
    /// Starts Postgres and a three-node NATS cluster with a user for each context.
    pub(crate) async fn start(state: &StateDir, contexts: [&Secrets; 2]) -> anyhow::Result<Self> {
        let binaries = Binaries::find()?;
        let (provision_password, operator_password) = (secret(), secret());
        let mut passwords: Vec<(String, &str)> = contexts
            .iter()
            .map(|context| (context.name.as_str().to_ascii_uppercase(), context.nats_password.as_str()))
            .collect();
        passwords.push(("PROVISION".to_owned(), &provision_password));
        passwords.push(("OPERATOR".to_owned(), &operator_password));
        let environment = passwords
            .into_iter()
            .map(|(user, password)| (format!("NATS_{user}_PASSWORD"), format!("\"{password}\"")))
            .collect();
        let options = NatsOptions { users: NatsUsers::Project, environment, ..NatsOptions::nodes(3) };
        let (postgres, nats) = tokio::try_join!(
            Postgres::start(&binaries, state, PostgresOptions::default()),
            NatsCluster::start(&binaries, state, options),
        )?;
        Ok(Self { postgres, nats, provision_password, operator_password })
    }

    /// Ends them in order.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        let (postgres, nats) = tokio::join!(self.postgres.stop(), self.nats.stop());
        postgres?;
        nats?;
        Ok(())
    }

    /// Makes the streams and durable consumers of both contexts, as `sea-mq topology apply` does.
    pub(crate) async fn apply_topology(&self, contexts: [&Context; 2]) -> anyhow::Result<()> {
        let broker = self.connect("provision", &self.provision_password).await?;
        let [first, second] = contexts;
        let topologies = [topology(first, second), topology(second, first)];
        // Each consumes the other's stream: the first durable has to wait for it.
        for topology in topologies.iter().chain(&topologies[..1]) {
            apply(&broker, topology).await?;
        }
        broker.close().await;
        Ok(())
    }

    /// A connection that may look at everything.
    pub(crate) async fn operator(&self) -> anyhow::Result<Broker> {
        self.connect("operator", &self.operator_password).await
    }

    /// A bare NATS client that may do everything: what a person on call has at hand.
    pub(crate) async fn bare_client(&self) -> anyhow::Result<async_nats::Client> {
        let (user, password) = ("operator".to_owned(), self.operator_password.clone());
        let options = async_nats::ConnectOptions::with_user_and_password(user, password);
        Ok(options.connect(self.nats.client_urls()).await?)
    }

    async fn connect(&self, user: &str, password: &str) -> anyhow::Result<Broker> {
        let settings = ConnectSettings {
            auth: Auth::UserPassword { user: user.to_owned(), password: password.to_owned() },
            ..ConnectSettings::new(self.nats.client_urls(), user)
        };
        Ok(Broker::connect(&settings).await?)
    }
}

fn topology(context: &Context, source: &Context) -> Topology {
    let (stream, filter) = (source.name.event_stream(), format!("{}>", source.name.event_prefix()));
    let subscription = SubscriptionTopology {
        max_deliver: MAX_DELIVER,
        ..SubscriptionTopology::new(&stream, &filter, &durable(context, source))
    };
    let mut declared = ContextTopology::new(context.name.clone(), REPLICAS);
    declared.subscriptions = vec![subscription];
    Topology::for_context(&declared)
}

/// The durable consumer by which `context` reads the events of `source`.
pub(crate) fn durable(context: &Context, source: &Context) -> String {
    format!("{}__from_{}", context.name, source.name)
}
