use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::catalogue::{Failpoint, Way};
use super::load;
use crate::handler::TestHandler;
use crate::world::{WorkerLaunch, WorkerProcess, World, WorldOptions};
use crate::{TestkitError, Totals};

/// Under load the failpoint is reached at once; a busy machine takes longer.
const LIMIT: Duration = Duration::from_secs(60);
const SIGKILL: i32 = 9;

/// What a visit ended with.
#[derive(Clone, Copy, Debug)]
pub struct Visited {
    /// The failpoint.
    pub failpoint: Failpoint,
    /// What there was in the end.
    pub totals: Totals,
}

/// Lets a worker die at the failpoint under a mixed load, another one carry on, and judges the run.
///
/// # Errors
/// The worker did not die there, the run did not come to rest, or a promise was broken.
pub async fn visit(failpoint: Failpoint) -> Result<Visited, TestkitError> {
    // What a dead worker had in hand must be read from the stream: redelivery comes much later.
    let options = WorldOptions { ack_wait: Duration::from_secs(60), ..WorldOptions::default() };
    let world = World::start(options).await?;
    load::limit_messages(&world).await?;
    let healed = Arc::new(AtomicBool::new(false));
    let handler = load::handler(&world, Arc::clone(&healed)).await?;
    let walk = Walk { world, handler, healed, failpoint };
    let totals = match failpoint.way {
        Way::Publishing => walk.publishing().await?,
        Way::Consuming => walk.consuming().await?,
        Way::CatchingUp => walk.catching_up().await?,
        Way::HandingOver => walk.handing_over().await?,
        Way::Leaving => walk.leaving().await?,
        Way::Failing => walk.failing().await?,
        Way::Command => {
            let why = format!("{} is passed by a command, not by a worker", failpoint.name);
            return Err(TestkitError::Unexpected(why));
        }
    };
    enough(&totals)?;
    Ok(Visited { failpoint, totals })
}

/// One visit, with its world.
struct Walk {
    world: World,
    handler: TestHandler,
    /// Whether the handler takes troubled events.
    healed: Arc<AtomicBool>,
    failpoint: Failpoint,
}

impl Walk {
    async fn publishing(&self) -> Result<Totals, TestkitError> {
        let _other = self.consumer().launch().await?;
        let victim = self.armed(self.producer()).launch().await?;
        load::emit(&self.world).await?;
        self.dies(&victim).await?;
        let _heir = self.producer().launch().await?;
        self.world.check().await
    }

    async fn consuming(&self) -> Result<Totals, TestkitError> {
        let _other = self.producer().launch().await?;
        let victim = self.armed(self.consumer()).launch().await?;
        load::emit(&self.world).await?;
        self.dies(&victim).await?;
        self.inherited().await
    }

    /// A first consumer dies with a batch in hand: it is the second one that reads it again.
    async fn catching_up(&self) -> Result<Totals, TestkitError> {
        let _other = self.producer().launch().await?;
        load::emit(&self.world).await?;
        let published = async || self.is_published().await;
        self.world.wait_until("the load is in the stream", LIMIT, published).await?;
        let first = self.consumer().env("SEA_MQ_FAILPOINTS", "inbox.record.before=crash").launch().await?;
        first.wait_for_line("failpoint inbox.record.before: crash", LIMIT).await?;
        let victim = self.armed(self.consumer()).launch().await?;
        self.dies(&victim).await?;
        self.inherited().await
    }

    async fn handing_over(&self) -> Result<Totals, TestkitError> {
        let _other = self.producer().launch().await?;
        let victim = self.armed(self.consumer()).start().await?;
        load::emit(&self.world).await?;
        let _heir = self.consumer().launch().await?;
        self.dies(&victim).await?;
        self.world.check().await
    }

    async fn leaving(&self) -> Result<Totals, TestkitError> {
        let _other = self.producer().launch().await?;
        let victim = self.armed(self.consumer()).start().await?;
        load::emit(&self.world).await?;
        victim.terminate().await?;
        self.dies(&victim).await?;
        self.inherited().await
    }

    async fn failing(&self) -> Result<Totals, TestkitError> {
        let _other = self.producer().launch().await?;
        let victim = self.armed(self.consumer()).launch().await?;
        load::emit(&self.world).await?;
        load::emit_troubled(&self.world).await?;
        self.dies(&victim).await?;
        self.healed.store(true, Ordering::Relaxed);
        self.inherited().await
    }

    /// Another consumer carries on until all is at rest.
    async fn inherited(&self) -> Result<Totals, TestkitError> {
        let _heir = self.consumer().launch().await?;
        self.world.check().await
    }

    fn producer(&self) -> WorkerLaunch<'_> {
        self.world.worker("vibespro")
    }

    fn consumer(&self) -> WorkerLaunch<'_> {
        self.world.worker("sea").handler(&self.handler)
    }

    fn armed<'a>(&self, launch: WorkerLaunch<'a>) -> WorkerLaunch<'a> {
        launch.env("SEA_MQ_FAILPOINTS", format!("{}=crash", self.failpoint.name))
    }

    async fn is_published(&self) -> Result<bool, TestkitError> {
        let left = "SELECT count(*) FROM outbox_events WHERE state IN ('ready', 'scheduled')";
        Ok(self.world.context("vibespro")?.count(left).await? == 0)
    }

    /// Waits for the victim's end, which must have been at the failpoint.
    async fn dies(&self, victim: &WorkerProcess) -> Result<(), TestkitError> {
        let name = self.failpoint.name;
        victim.wait_for_line(&format!("failpoint {name}: crash"), LIMIT).await?;
        let status = victim.wait_within(LIMIT).await?;
        if status.signal() == Some(SIGKILL) {
            return Ok(());
        }
        Err(TestkitError::Unexpected(format!("at {name} the worker was to be killed, it ended: {status}")))
    }
}

/// The load must have been there: an empty run breaks no promise.
fn enough(totals: &Totals) -> Result<(), TestkitError> {
    if totals.dead >= 2 && totals.processed >= 22 && totals.parked >= 1 {
        return Ok(());
    }
    Err(TestkitError::Unexpected(format!("the load was not there: {totals:?}")))
}
