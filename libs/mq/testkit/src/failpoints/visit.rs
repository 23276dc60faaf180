//! Carrying a walk out.

use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use uuid::Uuid;

use super::act::{Act, Action, led_to, script};
use super::catalogue::{Side, Way};
use super::load;
use super::walks::{Walk, ends_its_process};
use crate::handler::TestHandler;
use crate::world::{TestContext, WorkerLaunch, WorkerProcess, World, WorldOptions};
use crate::{TestkitError, Totals};

/// Under load a failpoint is reached at once; a busy machine takes longer.
pub(super) const LIMIT: Duration = Duration::from_secs(60);
const SIGKILL: i32 = 9;

impl Walk {
    /// Lets all of it happen under a mixed load, another worker carry on, and judges the run.
    ///
    /// # Errors
    /// Something of it did not happen, the run did not come to rest, or a promise was broken.
    pub async fn go(&self) -> Result<Totals, TestkitError> {
        // What a dead worker had in hand must be read from the stream: redelivery comes much later. Several
        // dead ones together must not use up what may be delivered ahead of acks.
        let ack_wait = Duration::from_secs(600);
        let options = WorldOptions { ack_wait, max_ack_pending: 1_000, ..WorldOptions::default() };
        let world = World::start(options).await?;
        load::limit_messages(&world).await?;
        let healed = Arc::new(AtomicBool::new(true));
        let handler = load::handler(&world, Arc::clone(&healed)).await?;
        handler.offer_batches(self.batches);
        let (rounds, side) = (AtomicUsize::new(0), self.side());
        let going = Going { world, handler, healed, rounds, side };
        going.all_of(&self.lives).await
    }
}

/// A walk under way, with its world.
pub(super) struct Going {
    pub(super) world: World,
    handler: TestHandler,
    /// Whether the handler takes troubled events.
    pub(super) healed: Arc<AtomicBool>,
    /// How often the load was emitted.
    pub(super) rounds: AtomicUsize,
    side: Side,
}

/// A worker and what is known of it.
pub(super) struct Life {
    pub(super) worker: WorkerProcess,
    /// The instances that there were before it: a dead one holds its lanes until it expires.
    pub(super) predecessors: Vec<Uuid>,
    /// A second worker beside it.
    pub(super) second: Option<WorkerProcess>,
    /// The instances that there were before the second joined.
    pub(super) alone: Vec<Uuid>,
}

impl Going {
    async fn all_of(&self, lives: &[Vec<Act>]) -> Result<Totals, TestkitError> {
        let _other = self.other_side().launch().await?;
        let (mut before, mut last) = (None, None);
        for (number, acts) in lives.iter().enumerate() {
            let life = self.live(before, acts).await?;
            before = acts.last().copied();
            if number + 1 < lives.len() {
                // The next worker is to be alone.
                leave(life.second).await?;
            } else {
                last = acts.last().map(|act| (*act, life));
            }
        }
        let _carries_on = match last {
            Some((act, life)) => self.inherited(act, life).await?,
            None => Vec::new(),
        };
        let totals = self.world.check().await?;
        self.enough(&totals)?;
        Ok(totals)
    }

    /// One worker, through its acts. Each has a load of its own: an act that does not happen could have,
    /// and the error says which one it was.
    async fn live(&self, before: Option<Act>, acts: &[Act]) -> Result<Life, TestkitError> {
        let acts = led_to(before, acts);
        let predecessors = self.instances().await?;
        let worker = self.own_side().env("SEA_MQ_FAILPOINTS", script(&acts)).launch().await?;
        let mut life = Life { worker, predecessors, second: None, alone: Vec::new() };
        let mut before = None;
        for act in &acts {
            let again = before.replace(act.failpoint) == Some(act.failpoint);
            // What was not handed over is tried again by itself.
            if !again || act.failpoint.way != Way::HandingOver {
                self.provoke(act, &mut life).await?;
            }
            life.worker.wait_for_line(&act.line(), LIMIT).await?;
            self.healed.store(true, Ordering::Relaxed);
            if act.action == Action::Crash {
                dies(act, &life.worker).await?;
            }
        }
        Ok(life)
    }

    /// Whoever carries on after the last act; none when the worker itself does.
    async fn inherited(&self, act: Act, mut life: Life) -> Result<Vec<WorkerProcess>, TestkitError> {
        match act.action {
            Action::Crash => self.joined_by_heir(life.second).await,
            Action::Freeze => self.outlives(act, life).await,
            Action::Error | Action::Delay if ends_its_process(act.failpoint) => {
                ends(act, &life.worker).await?;
                self.joined_by_heir(life.second).await
            }
            Action::Error => self.goes_on(life).await,
            Action::Delay => {
                // It joins while the operation is under way.
                if life.second.is_none() {
                    life.second = Some(self.own_side().launch().await?);
                }
                self.goes_on(life).await
            }
        }
    }

    async fn goes_on(&self, life: Life) -> Result<Vec<WorkerProcess>, TestkitError> {
        self.emit().await?;
        Ok(std::iter::once(life.worker).chain(life.second).collect())
    }

    async fn joined_by_heir(
        &self,
        second: Option<WorkerProcess>,
    ) -> Result<Vec<WorkerProcess>, TestkitError> {
        match second {
            Some(second) => Ok(vec![second]),
            None => Ok(vec![self.own_side().launch().await?]),
        }
    }

    /// The frozen worker wakes up when another one has all of its lanes, and works beside it.
    async fn outlives(&self, act: Act, mut life: Life) -> Result<Vec<WorkerProcess>, TestkitError> {
        let frozen = match life.second {
            Some(_) => life.alone,
            None => self.instances().await?,
        };
        let heir = match life.second {
            Some(second) => second,
            None => self.own_side().launch().await?,
        };
        let taken = async || self.is_taken_from(&frozen).await;
        self.world.wait_until("the frozen worker's lanes are another's", LIMIT, taken).await?;
        life.worker.thaw().await?;
        if ends_its_process(act.failpoint) {
            ends(act, &life.worker).await?;
        } else {
            let both = async || Ok(self.instances().await?.len() == 2);
            self.world.wait_until("the worker that was frozen has joined anew", LIMIT, both).await?;
        }
        self.emit().await?;
        Ok(vec![life.worker, heir])
    }

    async fn is_taken_from(&self, instances: &[Uuid]) -> Result<bool, TestkitError> {
        let alive = self.instances().await?;
        Ok(!alive.is_empty()
            && self.has_no_free_lane().await?
            && !alive.iter().any(|id| instances.contains(id)))
    }

    /// Whether one worker alone has every lane, and none of these.
    pub(super) async fn is_one_with_every_lane(&self, but: &[Uuid]) -> Result<bool, TestkitError> {
        let alive = self.instances().await?;
        Ok(alive.len() == 1 && !but.contains(&alive[0]) && self.has_no_free_lane().await?)
    }

    async fn has_no_free_lane(&self) -> Result<bool, TestkitError> {
        let lanes = "SELECT count(*) FILTER (WHERE holder IS NULL) = 0 AND count(*) > 0 FROM mq_leases";
        Ok(sqlx::query_scalar(lanes).fetch_one(&self.context()?.admin).await?)
    }

    pub(super) async fn instances(&self) -> Result<Vec<Uuid>, TestkitError> {
        Ok(sqlx::query_scalar("SELECT id FROM mq_instances").fetch_all(&self.context()?.admin).await?)
    }

    fn context(&self) -> Result<&TestContext, TestkitError> {
        match self.side {
            Side::Producer => self.world.context("vibespro"),
            Side::Consumer => self.world.context("sea"),
            Side::Command => {
                Err(TestkitError::Unexpected("a command passes it, and no worker does".to_owned()))
            }
        }
    }

    pub(super) fn own_side(&self) -> WorkerLaunch<'_> {
        match self.side {
            Side::Producer => self.producer(),
            Side::Consumer | Side::Command => self.consumer(),
        }
    }

    fn other_side(&self) -> WorkerLaunch<'_> {
        match self.side {
            Side::Producer => self.consumer(),
            Side::Consumer | Side::Command => self.producer(),
        }
    }

    fn producer(&self) -> WorkerLaunch<'_> {
        self.world.worker("vibespro")
    }

    fn consumer(&self) -> WorkerLaunch<'_> {
        self.world.worker("sea").handler(&self.handler)
    }

    /// The load must have been there: an empty run breaks no promise.
    fn enough(&self, totals: &Totals) -> Result<(), TestkitError> {
        let rounds = self.rounds.load(Ordering::Relaxed);
        let found =
            [(totals.processed, load::PROCESSED), (totals.dead, load::DEAD), (totals.parked, load::PARKED)];
        if rounds > 0 && found.iter().all(|(there, each)| *there >= rounds * each) {
            return Ok(());
        }
        Err(TestkitError::Unexpected(format!("the load of {rounds} rounds was not there: {totals:?}")))
    }
}

/// Waits for the worker's end, which must have been a violent one.
async fn dies(act: &Act, worker: &WorkerProcess) -> Result<(), TestkitError> {
    let status = worker.wait_within(LIMIT).await?;
    if status.signal() == Some(SIGKILL) {
        return Ok(());
    }
    Err(TestkitError::Unexpected(format!("{act}: the worker was to be killed, it ended: {status}")))
}

/// Waits for the end of a worker that was told to end, which must have been a good one.
async fn ends(act: Act, worker: &WorkerProcess) -> Result<(), TestkitError> {
    let status = worker.wait_within(LIMIT).await?;
    if status.success() {
        return Ok(());
    }
    Err(TestkitError::Unexpected(format!("{act}: the worker was told to end, it ended: {status}")))
}

pub(super) async fn leave(second: Option<WorkerProcess>) -> Result<(), TestkitError> {
    let Some(second) = second else { return Ok(()) };
    second.terminate().await?;
    second.wait_within(LIMIT).await?;
    Ok(())
}
