//! How each kind of fault is made, and healed.

mod disk;
mod nodes;
mod notice;
mod streams;

use std::time::Duration;

use sea_mq_stack::LinkState;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::ground::{Ground, Replayed};
use crate::{ChaosError, FaultKind, Planned};
pub(crate) use notice::Notice;

/// Half a year: whatever compares times is told a lie.
const LARGEST_JUMP: u64 = 180 * 24 * 60 * 60 * 1_000;

/// What is to be healed.
pub(crate) enum Wound {
    WorkerDown(usize),
    WorkerFrozen(usize),
    HandlerDown(usize),
    HandlerFrozen(usize),
    PostgresDown,
    PostgresFrozen,
    NodesDown(Vec<usize>),
    NodesFrozen(Vec<usize>),
    RoutesTroubled,
    NatsLinks(Vec<usize>),
    PostgresLinks(Vec<usize>),
    DiskOfPostgres,
    DiskOfNode(usize),
    TopologyGone,
    StreamEmpty(&'static str),
    ClockOff(usize),
    /// Whatever was done is done.
    None,
}

/// A fault that was made.
pub(crate) struct Injected {
    /// Whom it befell.
    pub(crate) target: String,
    pub(crate) wound: Wound,
    /// Where somebody has to notice it.
    pub(crate) notice: Option<Notice>,
}

/// What a fault came to.
pub(crate) enum Injection {
    Made(Injected),
    /// This machine or this build does not allow it.
    NotAllowed(String),
    /// Nothing that it could befall was there, such as a leader during an election.
    Missed(String),
    /// What it could befall is still being repaired.
    Later(String),
}

/// A repair that goes on while further faults come: which events it put back, and when it had ended.
pub(crate) type Repair = JoinHandle<(Result<Replayed, ChaosError>, Instant)>;

fn made(target: impl Into<String>, wound: Wound) -> Result<Injection, ChaosError> {
    Ok(Injection::Made(Injected { target: target.into(), wound, notice: None }))
}

impl Ground {
    pub(crate) async fn inject(&mut self, fault: &Planned) -> Result<Injection, ChaosError> {
        let worker = fault.target % self.workers.len();
        let handler = fault.target % self.handlers.len();
        match fault.kind {
            FaultKind::KillWorker => {
                self.workers[worker].kill().await;
                made(self.workers[worker].name(), Wound::WorkerDown(worker))
            }
            FaultKind::FreezeWorker => {
                self.workers[worker].freeze().await?;
                made(self.workers[worker].name(), Wound::WorkerFrozen(worker))
            }
            FaultKind::KillHandler => {
                self.handlers[handler].kill().await;
                made(self.handlers[handler].name(), Wound::HandlerDown(handler))
            }
            FaultKind::FreezeHandler => {
                self.handlers[handler].freeze().await?;
                made(self.handlers[handler].name(), Wound::HandlerFrozen(handler))
            }
            FaultKind::KillPostgres => {
                self.postgres.keep_down();
                self.world.postgres()?.kill().await;
                made("postgres", Wound::PostgresDown)
            }
            FaultKind::FreezePostgres => {
                self.world.postgres()?.freeze().await?;
                made("postgres", Wound::PostgresFrozen)
            }
            FaultKind::KillNode => self.kill_nodes(vec![fault.target % 3]).await,
            FaultKind::KillLeader => self.with_leader(fault, Self::kill_nodes).await,
            FaultKind::KillAllNodes => self.kill_nodes(vec![0, 1, 2]).await,
            FaultKind::FreezeNode => self.freeze_nodes(vec![fault.target % 3]).await,
            FaultKind::FreezeLeader => self.with_leader(fault, Self::freeze_nodes).await,
            FaultKind::FreezeAllNodes => self.freeze_nodes(vec![0, 1, 2]).await,
            FaultKind::WipeNode => self.wipe_node(fault.target % 3).await,
            FaultKind::CutNodes => self.isolate_node(fault.target % 3),
            FaultKind::CutWorkerFromNats => {
                self.workers[worker].set_nats(cut(fault));
                made(self.workers[worker].name(), Wound::NatsLinks(vec![worker]))
            }
            FaultKind::CutWorkerFromPostgres => {
                self.workers[worker].set_postgres(cut(fault));
                made(self.workers[worker].name(), Wound::PostgresLinks(vec![worker]))
            }
            FaultKind::SlowLinks => self.trouble_links(fault, slow(fault)),
            FaultKind::LossyLinks => self.trouble_links(fault, lossy(fault)),
            FaultKind::SlowNodes => self.trouble_routes(fault, slow(fault)),
            FaultKind::LossyNodes => self.trouble_routes(fault, lossy(fault)),
            FaultKind::FullDiskPostgres => self.fill_disk_of_postgres().await,
            FaultKind::FullDiskNats => self.fill_disk_of_node(fault.target % 3).await,
            FaultKind::DeleteConsumer => self.delete_consumer(fault).await,
            FaultKind::PurgeStream => self.purge_stream(fault).await,
            FaultKind::RecreateStream => self.recreate_stream(fault).await,
            FaultKind::ClockJump => self.jump(worker, fault),
            FaultKind::RollingMigration => self.migrate().await,
        }
    }

    /// Undoes it. What takes longer and disturbs nobody goes on by itself.
    pub(crate) async fn heal(&mut self, wound: Wound) -> Result<Option<Repair>, ChaosError> {
        match wound {
            Wound::WorkerDown(worker) => self.workers[worker].launch(&self.world).await?,
            Wound::WorkerFrozen(worker) => self.workers[worker].thaw().await?,
            Wound::HandlerDown(handler) => self.handlers[handler].launch(&self.world).await?,
            Wound::HandlerFrozen(handler) => self.handlers[handler].thaw().await?,
            Wound::PostgresDown => {
                self.postgres.let_up();
                self.world.postgres()?.restart().await?;
            }
            Wound::PostgresFrozen => self.world.postgres()?.thaw().await?,
            Wound::NodesDown(nodes) => self.start_nodes(&nodes).await?,
            Wound::NodesFrozen(nodes) => self.thaw_nodes(&nodes).await?,
            Wound::RoutesTroubled => self.world.nats()?.heal(),
            Wound::NatsLinks(workers) => {
                workers.iter().for_each(|worker| self.workers[*worker].set_nats(LinkState::Clear));
            }
            Wound::PostgresLinks(workers) => {
                workers.iter().for_each(|worker| self.workers[*worker].set_postgres(LinkState::Clear));
            }
            Wound::DiskOfPostgres => self.free_disk_of_postgres().await?,
            Wound::DiskOfNode(node) => self.free_disk_of_node(node).await?,
            Wound::TopologyGone => self.apply_topology().await?,
            Wound::StreamEmpty(context) => {
                let replay = self.operator.clone().replay(context);
                let repair = tokio::spawn(async move { (replay.await, Instant::now()) });
                self.repairs.push((context, repair.abort_handle()));
                return Ok(Some(repair));
            }
            Wound::ClockOff(worker) => self.workers[worker].set_clock(0)?,
            Wound::None => {}
        }
        Ok(None)
    }

    /// Either the links to NATS or those to Postgres, of every worker.
    fn trouble_links(&mut self, fault: &Planned, state: LinkState) -> Result<Injection, ChaosError> {
        let all: Vec<usize> = (0..self.workers.len()).collect();
        if fault.target.is_multiple_of(2) {
            self.workers.iter().for_each(|worker| worker.set_nats(state));
            made("workers to nats", Wound::NatsLinks(all))
        } else {
            self.workers.iter().for_each(|worker| worker.set_postgres(state));
            made("workers to postgres", Wound::PostgresLinks(all))
        }
    }

    fn jump(&mut self, worker: usize, fault: &Planned) -> Result<Injection, ChaosError> {
        if cfg!(not(debug_assertions)) {
            return Ok(Injection::NotAllowed("a release build has no clock that jumps".to_owned()));
        }
        let far = i64::try_from(fault.salt % LARGEST_JUMP).unwrap_or_default();
        let offset_ms = if fault.target.is_multiple_of(2) { far } else { -far };
        self.workers[worker].set_clock(offset_ms)?;
        let hours = offset_ms / 3_600_000;
        made(format!("{} by {hours} h", self.workers[worker].name()), Wound::ClockOff(worker))
    }

    /// The new schema first, under the running workers; then one worker after the other.
    async fn migrate(&mut self) -> Result<Injection, ChaosError> {
        if cfg!(not(debug_assertions)) {
            return Ok(Injection::NotAllowed("a release build has no later migrations".to_owned()));
        }
        self.operator.migrate().await?;
        for worker in &self.workers {
            worker.replace(&self.world).await?;
        }
        made("all workers, one by one", Wound::None)
    }
}

/// Half of the cuts swallow everything, the other half break and refuse connections.
fn cut(fault: &Planned) -> LinkState {
    if fault.salt.is_multiple_of(2) { LinkState::Cut } else { LinkState::Refused }
}

fn slow(fault: &Planned) -> LinkState {
    let delay = Duration::from_millis(20 + fault.salt % 180);
    LinkState::Slow { delay, jitter: delay / 2, bytes_per_sec: Some(512 * 1024) }
}

fn lossy(fault: &Planned) -> LinkState {
    let stall_max = Duration::from_millis(500 + fault.salt % 2_500);
    LinkState::Lossy {
        stall_chance: 0.02,
        stall_min: Duration::from_millis(200),
        stall_max,
        reset_chance: 0.001,
    }
}
