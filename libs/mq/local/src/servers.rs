use sea_mq_event::ContextName;
use sea_mq_stack::{Binaries, NatsCluster, NatsOptions, NatsUsers, Postgres, PostgresOptions, StateDir};
use sea_mq_stream::{Auth, Broker, ConnectSettings, ContextTopology, SubscriptionTopology, users_conf};

use crate::secrets::Secrets;
use crate::{Description, LocalError};

/// The servers that a system runs on.
#[derive(Debug)]
pub(crate) struct Servers {
    pub(crate) postgres: Postgres,
    pub(crate) nats: NatsCluster,
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
        Ok(Self { postgres, nats })
    }

    /// Ends them in order.
    pub(crate) async fn stop(&mut self) -> Result<(), LocalError> {
        let (postgres, nats) = tokio::join!(self.postgres.stop(), self.nats.stop());
        postgres?;
        nats?;
        Ok(())
    }

    /// A connection that may look at everything.
    pub(crate) async fn operator(&self, secrets: &Secrets) -> Result<Broker, LocalError> {
        let password = secrets.get("operator", "nats").to_owned();
        let settings = ConnectSettings {
            auth: Auth::UserPassword { user: "operator".to_owned(), password },
            ..ConnectSettings::new(self.nats.client_urls(), "operator")
        };
        Ok(Broker::connect(&settings).await?)
    }
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
