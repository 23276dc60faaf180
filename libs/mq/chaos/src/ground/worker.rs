use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use sea_mq_stack::{Link, LinkState};
use sea_mq_testkit::{TestkitError, World};
use tokio::time::Instant;

use super::handler::SECRET;
use super::{Life, Operator};
use crate::ChaosError;

/// Its grace period, and something to spare.
const END_LIMIT: Duration = Duration::from_secs(30);
const READY_LIMIT: Duration = Duration::from_secs(30);
const READY_STEP: Duration = Duration::from_millis(250);

/// One worker, which reaches each server over a link of its own.
pub(crate) struct Worker {
    context: &'static str,
    name: String,
    handler_url: String,
    to_nats: Vec<Link>,
    to_postgres: Link,
    /// Holds by how much its wall clock is off, milliseconds.
    clock: PathBuf,
    variables: Vec<(String, String)>,
    life: Life,
}

impl Worker {
    pub(super) async fn start(
        world: &mut World,
        context: &'static str,
        number: usize,
        handler_url: String,
        operator: &Operator,
    ) -> Result<Self, ChaosError> {
        let name = format!("worker-{context}-{number}");
        let mut to_nats = Vec::new();
        for node in world.nats()?.nodes() {
            let to = format!("{name} to {}", node.name());
            to_nats.push(Link::open(to, address(&node.client_url())?)?);
        }
        let postgres = world.postgres()?.port();
        let to_postgres = Link::open(format!("{name} to postgres"), loopback(postgres))?;
        let clock = world.state().path().join(format!("{name}.clock"));
        let servers: Vec<String> = to_nats.iter().map(|link| format!("nats://{}", link.address())).collect();
        let direct = &world.context(context)?.urls.worker;
        let database =
            direct.replacen(&loopback(postgres).to_string(), &to_postgres.address().to_string(), 1);
        let variables = vec![
            ("NATS_SERVERS".to_owned(), servers.join(",")),
            ("DB_URL".to_owned(), database),
            ("RETRY_CAP_SECS".to_owned(), "2".to_owned()),
            ("HANDLER_SECRET".to_owned(), SECRET.to_owned()),
            ("SEA_MQ_CLOCK_OFFSET_FILE".to_owned(), clock.display().to_string()),
            operator.later_migrations_variable(),
        ];
        let life = Life::new();
        let worker = Self { context, name, handler_url, to_nats, to_postgres, clock, variables, life };
        worker.launch(world).await?;
        Ok(worker)
    }

    pub(crate) fn context(&self) -> &'static str {
        self.context
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What it counts, for whoever looks beside the run.
    pub(crate) fn life(&self) -> Life {
        self.life.clone()
    }

    pub(crate) async fn launch(&self, world: &World) -> Result<(), ChaosError> {
        let launch = world.worker(self.context).named(self.name.clone()).handler_at(self.handler_url.clone());
        let launch = self.variables.iter().fold(launch, |launch, (name, value)| launch.env(name, value));
        let process = launch.launch().await?;
        self.life.hold().await.up(process);
        Ok(())
    }

    /// What it has counted by then is not forgotten.
    pub(crate) async fn kill(&self) {
        let mut living = self.life.hold().await;
        living.look().await;
        living.process.kill().await;
    }

    pub(crate) async fn freeze(&self) -> Result<(), ChaosError> {
        self.life.hold().await.process.freeze().await
    }

    pub(crate) async fn thaw(&self) -> Result<(), ChaosError> {
        self.life.hold().await.process.thaw().await
    }

    /// Ends it in order, starts it again and waits until it is ready, as a deployment does.
    pub(crate) async fn replace(&self, world: &World) -> Result<(), ChaosError> {
        let leaving = {
            let mut living = self.life.hold().await;
            living.look().await;
            living.process.take()
        };
        if let Some(process) = leaving {
            // Its end may be on its way already; one that does not end is killed when it is dropped.
            if process.terminate().await.is_ok() {
                process.wait_within(END_LIMIT).await?;
            }
        }
        self.launch(world).await?;
        self.wait_ready().await
    }

    /// In steps, between which others may look at it.
    async fn wait_ready(&self) -> Result<(), ChaosError> {
        let deadline = Instant::now() + READY_LIMIT;
        loop {
            let living = self.life.hold().await;
            let Some(process) = living.process.process() else { return Ok(()) };
            match process.wait_ready(READY_STEP).await {
                Ok(()) => return Ok(()),
                Err(error) if !process.is_running() || Instant::now() >= deadline => return Err(error.into()),
                Err(_) => {}
            }
        }
    }

    pub(crate) fn set_nats(&self, state: LinkState) {
        self.to_nats.iter().for_each(|link| link.set(state));
    }

    pub(crate) fn set_postgres(&self, state: LinkState) {
        self.to_postgres.set(state);
    }

    /// Lets its wall clock be off by so much.
    pub(crate) fn set_clock(&self, offset_ms: i64) -> Result<(), ChaosError> {
        let source = std::fs::write(&self.clock, offset_ms.to_string());
        source.map_err(|source| ChaosError::File { doing: "write", path: self.clock.clone(), source })
    }

    pub(crate) async fn is_ready(&self) -> bool {
        match self.life.hold().await.process.process() {
            Some(process) => process.is_ready().await,
            None => false,
        }
    }

    /// All of its metrics; empty when it does not answer.
    pub(crate) async fn metrics(&self) -> String {
        match self.life.hold().await.process.process() {
            Some(process) => process.metrics().await,
            None => String::new(),
        }
    }

    /// How it ended, if no fault did it.
    pub(super) async fn ended_by_itself(&self) -> Option<String> {
        self.life.hold().await.process.ended_by_itself().await
    }
}

/// Of `nats://127.0.0.1:PORT`.
fn address(url: &str) -> Result<SocketAddr, ChaosError> {
    let parsed = url.trim_start_matches("nats://").parse();
    parsed.map_err(|_| TestkitError::Unexpected(format!("{url} is not the address of a node")).into())
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
