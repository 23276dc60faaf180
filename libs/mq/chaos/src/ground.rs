//! The system that is broken: two contexts that consume each other's events, with two workers each behind
//! links of their own, their handlers, Postgres, and three NATS nodes whose routes can be cut.

mod counted;
mod handler;
mod life;
mod operator;
mod postgres;
mod victim;
mod worker;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sea_mq_stack::{
    Binaries, LinkState, NatsCluster, NatsOptions, Postgres, PostgresOptions, Routes, StackError, StateDir,
};
use sea_mq_testkit::{OwnServers, World, WorldOptions};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::{ChaosError, Options};
pub(crate) use counted::Sign;
pub(crate) use handler::Handler;
pub(crate) use life::Life;
pub(crate) use operator::{Operator, Replayed};
pub(crate) use postgres::Care;
pub(crate) use worker::Worker;

/// The contexts, each of which consumes the other's events.
pub(crate) const CONTEXTS: [&str; 2] = ["vibespro", "sea"];
const WORKERS_EACH: usize = 2;
/// Says that a folder is a run's own.
const MARK: &str = "made-by-sea-mq-chaos";
/// Of each server: room for an hour of events; filling one takes so much memory for a moment.
const DISK: u64 = 3 << 30;
/// A tick of those who look whether something has ended by itself.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const START_LIMIT: Duration = Duration::from_secs(60);

/// Everything that runs, and can be broken.
pub(crate) struct Ground {
    pub(crate) world: World,
    pub(crate) workers: Vec<Worker>,
    pub(crate) handlers: Vec<Handler>,
    pub(crate) operator: Operator,
    /// Repairs of event streams that were begun, by the context whose stream it is.
    pub(crate) repairs: Vec<(&'static str, AbortHandle)>,
    /// What faults do to Postgres at this moment.
    pub(crate) postgres: Care,
    /// Why no disk can be filled here.
    pub(crate) disks_refused: Option<String>,
    /// What ended without a fault that ended it, and was started again.
    pub(crate) ended_by_themselves: Vec<String>,
}

impl Ground {
    pub(crate) async fn start(options: &Options) -> Result<Self, ChaosError> {
        if !options.python.is_file() {
            return Err(ChaosError::NoPython(options.python.clone()));
        }
        let state = own_folder(&options.folder)?;
        let (servers, disks_refused) = match start_servers(&state, Some(DISK)).await {
            Ok(servers) => (servers, None),
            Err(refused @ StackError::NotAllowed { .. }) => {
                (start_servers(&state, None).await?, Some(refused.to_string()))
            }
            Err(error) => return Err(error.into()),
        };
        let world = World::on(servers, world_options()).await?;
        let operator = Operator::new(&world, options)?;
        let mut ground = Self {
            world,
            workers: Vec::new(),
            handlers: Vec::new(),
            operator,
            repairs: Vec::new(),
            postgres: Care::default(),
            disks_refused,
            ended_by_themselves: Vec::new(),
        };
        for context in CONTEXTS {
            ground.handlers.push(Handler::start(&ground.world, context, options).await?);
        }
        for context in CONTEXTS {
            for number in 1..=WORKERS_EACH {
                let url = ground.handler_url(context)?;
                let worker = Worker::start(&mut ground.world, context, number, url, &ground.operator).await?;
                ground.workers.push(worker);
            }
        }
        ground.wait_ready().await?;
        Ok(ground)
    }

    fn handler_url(&self, context: &str) -> Result<String, ChaosError> {
        let of_context = self.handlers.iter().find(|handler| handler.context() == context);
        of_context.map(Handler::url).ok_or_else(|| ChaosError::NotReady {
            what: format!("context {context} has a handler"),
            seconds: 0,
        })
    }

    async fn wait_ready(&self) -> Result<(), ChaosError> {
        let deadline = Instant::now() + START_LIMIT;
        for worker in &self.workers {
            while !worker.is_ready().await {
                if Instant::now() >= deadline {
                    let what = format!("{} is ready", worker.name());
                    return Err(ChaosError::NotReady { what, seconds: START_LIMIT.as_secs() });
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        Ok(())
    }

    /// Lets time pass; what ends by itself meanwhile is started again, as a supervisor would.
    pub(crate) async fn pass(&mut self, until: Instant) -> Result<(), ChaosError> {
        loop {
            self.revive().await?;
            let now = Instant::now();
            if now >= until {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY.min(until - now)).await;
        }
    }

    async fn revive(&mut self) -> Result<(), ChaosError> {
        self.revive_postgres().await?;
        for worker in &self.workers {
            if let Some(how) = worker.ended_by_itself().await {
                self.ended_by_themselves.push(how);
                worker.launch(&self.world).await?;
            }
        }
        for handler in &mut self.handlers {
            if let Some(how) = handler.ended_by_itself().await {
                self.ended_by_themselves.push(how);
                handler.launch(&self.world).await?;
            }
        }
        Ok(())
    }

    async fn revive_postgres(&mut self) -> Result<(), ChaosError> {
        let postgres = self.world.postgres()?;
        if self.postgres.is_kept_down() || postgres.process().is_running() {
            return Ok(());
        }
        if !self.postgres.is_excused(Instant::now()) {
            let said = postgres.process().last_lines();
            self.ended_by_themselves.push(format!("postgres ended by itself: {said}"));
        }
        Ok(postgres.restart().await?)
    }

    /// The links to NATS of all workers of a context.
    pub(crate) fn set_nats_of(&self, context: &str, state: LinkState) {
        let of_context = self.workers.iter().filter(|worker| worker.context() == context);
        of_context.for_each(|worker| worker.set_nats(state));
    }

    /// What does not work in the end although everything was healed, or ended although nobody ended it.
    pub(crate) async fn unwell(&mut self) -> Vec<String> {
        let mut unwell = std::mem::take(&mut self.ended_by_themselves);
        if let Err(error) = self.wait_ready().await {
            unwell.push(error.to_string());
        }
        match self.world.nats() {
            Ok(nats) => unwell.extend(nats.wait_ready().await.err().map(|error| error.to_string())),
            Err(error) => unwell.push(error.to_string()),
        }
        unwell
    }

    /// Where logs, the report and a broken run's history are.
    pub(crate) fn folder(&self) -> PathBuf {
        self.world.state().path().to_path_buf()
    }
}

/// Empties the folder, if it is that of an earlier run; nobody else's is touched.
fn own_folder(folder: &Path) -> Result<StateDir, ChaosError> {
    let failed = |doing| move |source| ChaosError::File { doing, path: folder.to_path_buf(), source };
    let is_empty = match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == ErrorKind::NotFound => true,
        Err(error) => return Err(failed("read")(error)),
    };
    if !is_empty && !folder.join(MARK).is_file() {
        return Err(ChaosError::ForeignFolder(folder.to_path_buf()));
    }
    let state = StateDir::kept(folder)?;
    state.clear()?;
    std::fs::write(folder.join(MARK), "Made by sea-mq chaos, which empties this folder at the next run.\n")
        .map_err(failed("write in"))?;
    Ok(state)
}

/// With a disk of this many bytes for Postgres and for each node.
async fn start_servers(state: &StateDir, disk: Option<u64>) -> Result<OwnServers, StackError> {
    let binaries = Binaries::find()?;
    // The log of a server that is killed again and again must leave room for its tables.
    let settings = vec![("max_wal_size".to_owned(), "256MB".to_owned())];
    let postgres = PostgresOptions { disk, settings, ..PostgresOptions::default() };
    let postgres = Postgres::start(&binaries, state, postgres).await?;
    let nats = NatsOptions { routes: Routes::Linked, disk, ..NatsOptions::nodes(3) };
    let nats = NatsCluster::start(&binaries, state, nats).await?;
    Ok(OwnServers { postgres, nats, state: state.clone() })
}

fn world_options() -> WorldOptions {
    WorldOptions {
        contexts: CONTEXTS.to_vec(),
        subscriptions: vec![("sea", "vibespro"), ("vibespro", "sea")],
        ack_wait: Duration::from_secs(30),
        max_deliver: 20,
        max_ack_pending: 200,
        max_bytes: 2_000_000_000,
        ..WorldOptions::default()
    }
}
