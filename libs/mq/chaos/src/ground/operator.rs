use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use sea_mq_stack::{Launch, StateDir};
use sea_mq_testkit::World;
use serde::Deserialize;
use uuid::Uuid;

use super::CONTEXTS;
use crate::{ChaosError, Options};

/// A command that was disturbed by a fault is run again.
const TRIES: usize = 60;
const BETWEEN_TRIES: Duration = Duration::from_secs(2);
/// The duplicate window has to pass before the broker takes what it lost.
const COMMAND_LIMIT: Duration = Duration::from_secs(300);

/// What a person does at the command line.
#[derive(Clone)]
pub(crate) struct Operator {
    sea_mq: PathBuf,
    state: StateDir,
    migrations: PathBuf,
    /// How many later migrations there are by now.
    later: u32,
    nats: String,
    /// By context: as the migrator, and as the worker.
    databases: BTreeMap<&'static str, (String, String)>,
}

/// What `sea-mq replay` put into a stream again.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Replayed {
    republished: BTreeSet<Uuid>,
    /// Those that an earlier try had stored.
    #[serde(default)]
    found: BTreeSet<Uuid>,
}

impl Operator {
    pub(super) fn new(world: &World, options: &Options) -> Result<Self, ChaosError> {
        let mut databases = BTreeMap::new();
        for context in CONTEXTS {
            let urls = &world.context(context)?.urls;
            databases.insert(context, (urls.migrator.clone().unwrap_or_default(), urls.worker.clone()));
        }
        Ok(Self {
            sea_mq: options.sea_mq.clone(),
            state: world.state().clone(),
            migrations: world.state().folder("later-migrations")?,
            later: 0,
            nats: world.nats_urls().join(","),
            databases,
        })
    }

    /// Lets programs that start from now on know the later migrations.
    pub(super) fn later_migrations_variable(&self) -> (String, String) {
        ("SEA_MQ_LATER_MIGRATIONS".to_owned(), self.migrations.display().to_string())
    }

    /// Brings both databases to a schema that has two migrations more.
    pub(crate) async fn migrate(&mut self) -> Result<(), ChaosError> {
        self.later += 1;
        let n = self.later;
        // What a release does to tables that are in use: columns with a default, and an index. Each table by
        // itself: handlers lock both, in the other order.
        let outbox = format!("ALTER TABLE outbox_events ADD COLUMN later_{n} integer NOT NULL DEFAULT 0");
        let inbox = format!(
            "ALTER TABLE inbox_messages ADD COLUMN later_{n} text;
             CREATE INDEX inbox_messages_later_{n} ON inbox_messages (consumer, pos) WHERE later_{n} IS NOT NULL"
        );
        for (table, text) in [("a", outbox), ("b", inbox)] {
            let path = self.migrations.join(format!("{n:04}-{table}.sql"));
            let written = std::fs::write(&path, text);
            written.map_err(|source| ChaosError::File { doing: "write", path, source })?;
        }
        for (context, (migrator, _)) in &self.databases {
            self.command(&["db", "migrate", "--context", context, "--url", migrator]).await?;
        }
        Ok(())
    }

    /// Puts into a context's event stream again what it does not hold any more.
    pub(crate) async fn replay(self, context: &'static str) -> Result<Replayed, ChaosError> {
        let (_, worker) = self.databases.get(context).cloned().unwrap_or_default();
        let replay =
            ["replay", "--context", context, "--url", &worker, "--nats-servers", &self.nats, "--json"];
        let mut all = Replayed::default();
        // Also what was disturbed half-way has put events back.
        self.command_with(&replay, |said| all.add(said)).await?;
        Ok(all)
    }

    async fn command(&self, arguments: &[&str]) -> Result<(), ChaosError> {
        self.command_with(arguments, |_| {}).await
    }

    /// Runs it until it succeeds: the next fault may befall it. `hear` gets what each try printed.
    async fn command_with(&self, arguments: &[&str], mut hear: impl FnMut(&str)) -> Result<(), ChaosError> {
        let mut said = String::new();
        for _ in 0..TRIES {
            let number = Uuid::new_v4().simple().to_string();
            let name = format!("sea-mq-{}-{}", arguments.first().copied().unwrap_or_default(), &number[..6]);
            let (variable, folder) = self.later_migrations_variable();
            let launch = Launch::new(name, &self.sea_mq)
                .args(arguments.iter().map(|argument| (*argument).to_owned()))
                .env(variable, folder);
            let process = launch.start(&self.state).await?;
            let ended = process.wait_within(COMMAND_LIMIT).await;
            said = process.output();
            hear(&said);
            if ended.is_ok_and(|status| status.success()) {
                return Ok(());
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
        Err(ChaosError::Command { command: format!("sea-mq {}", arguments[..2].join(" ")), said })
    }
}

impl Replayed {
    /// What the JSON of a try names; progress is told before it, and why it ended behind it.
    fn add(&mut self, said: &str) {
        let json = said.find("{\n").map_or("", |begins| &said[begins..]);
        let mut values = serde_json::Deserializer::from_str(json).into_iter();
        if let Some(Ok(Self { republished, found })) = values.next() {
            self.republished.extend(republished);
            self.found.extend(found);
        }
    }

    /// All events that lie elsewhere in their stream than where they were first.
    pub(crate) fn events(self) -> BTreeSet<Uuid> {
        self.republished.into_iter().chain(self.found).collect()
    }
}
