use sea_mq_stack::{
    Binaries, NatsCluster, NatsOptions, NatsUsers, Postgres, PostgresOptions, StateDir, shared_postgres,
};
use sea_mq_stream::{Auth, ConnectSettings, ContextTopology, users_conf};
use tokio::sync::OnceCell;

use super::options::ServerChoice;
use crate::TestkitError;

/// The servers of a world.
pub(super) enum Servers {
    Shared { postgres: &'static Postgres, nats: &'static NatsCluster },
    Own { postgres: Box<Postgres>, nats: NatsCluster, users: bool },
}

/// Servers for one world alone, which may be killed and frozen at will.
#[derive(Debug)]
pub struct OwnServers {
    /// The database server.
    pub postgres: Postgres,
    /// The nodes, which everybody may use.
    pub nats: NatsCluster,
    /// Where they keep their files; workers log there as well.
    pub state: StateDir,
}

/// Three nodes for all tests of the process.
async fn shared_cluster() -> Result<&'static NatsCluster, TestkitError> {
    static SHARED: OnceCell<NatsCluster> = OnceCell::const_new();
    SHARED
        .get_or_try_init(|| async {
            let options = NatsOptions { sync_interval: "2m".to_owned(), ..NatsOptions::nodes(3) };
            Ok(NatsCluster::start(&Binaries::find()?, &StateDir::temporary()?, options).await?)
        })
        .await
}

impl Servers {
    pub(super) async fn start(
        choice: &ServerChoice,
        state: &StateDir,
        topologies: &[ContextTopology],
    ) -> Result<Self, TestkitError> {
        let (nodes, users) = match choice {
            ServerChoice::Shared => {
                return Ok(Self::Shared {
                    postgres: shared_postgres().await?,
                    nats: shared_cluster().await?,
                });
            }
            ServerChoice::Own(nodes) => (*nodes, NatsUsers::Anyone),
            ServerChoice::OwnWithUsers(nodes, change) => {
                (*nodes, NatsUsers::Text(change(users_conf(topologies))))
            }
        };
        let with_users = !matches!(users, NatsUsers::Anyone);
        let options = NatsOptions {
            users,
            environment: passwords(topologies),
            sync_interval: "2m".to_owned(),
            ..NatsOptions::nodes(nodes)
        };
        let binaries = Binaries::find()?;
        // Durable: this Postgres may be killed.
        let postgres = Box::new(Postgres::start(&binaries, state, PostgresOptions::default()).await?);
        let nats = NatsCluster::start(&binaries, state, options).await?;
        Ok(Self::Own { postgres, nats, users: with_users })
    }

    pub(super) fn postgres(&self) -> &Postgres {
        match self {
            Self::Shared { postgres, .. } => postgres,
            Self::Own { postgres, .. } => postgres,
        }
    }

    pub(super) fn nats(&self) -> &NatsCluster {
        match self {
            Self::Shared { nats, .. } => nats,
            Self::Own { nats, .. } => nats,
        }
    }

    /// How `user` connects: by name and password where there are users.
    pub(super) fn settings(&self, user: &str) -> ConnectSettings {
        let auth = match self {
            Self::Own { users: true, .. } => {
                Auth::UserPassword { user: user.to_owned(), password: password(user) }
            }
            Self::Own { users: false, .. } | Self::Shared { .. } => Auth::None,
        };
        ConnectSettings { auth, ..ConnectSettings::new(self.nats().client_urls(), user) }
    }

    /// The worker's variables for reaching NATS.
    pub(super) fn worker_environment(&self, context: &str) -> Vec<(String, String)> {
        let mut variables = vec![("NATS_SERVERS".to_owned(), self.nats().client_urls().join(","))];
        match self {
            Self::Own { users: true, .. } => variables.extend([
                ("NATS_USER".to_owned(), context.to_owned()),
                ("NATS_PASSWORD".to_owned(), password(context)),
            ]),
            Self::Own { users: false, .. } | Self::Shared { .. } => {}
        }
        variables
    }

    /// A plain client that may do everything.
    pub(super) async fn client(&self) -> Result<async_nats::Client, TestkitError> {
        let options = match self {
            Self::Own { users: true, .. } => async_nats::ConnectOptions::new()
                .user_and_password("operator".to_owned(), password("operator")),
            Self::Own { users: false, .. } | Self::Shared { .. } => async_nats::ConnectOptions::new(),
        };
        options
            .connect(self.nats().client_urls())
            .await
            .map_err(TestkitError::broker("connecting a plain client to NATS"))
    }
}

fn password(user: &str) -> String {
    format!("secret-of-{user}")
}

fn passwords(topologies: &[ContextTopology]) -> Vec<(String, String)> {
    topologies
        .iter()
        .map(|topology| topology.context.as_str())
        .chain(["provision", "operator"])
        .map(|user| {
            (format!("NATS_{}_PASSWORD", user.to_ascii_uppercase()), format!("\"{}\"", password(user)))
        })
        .collect()
}
