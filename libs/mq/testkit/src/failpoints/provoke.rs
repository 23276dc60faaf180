//! What leads a worker to a failpoint.

use std::sync::atomic::Ordering;

use super::act::Act;
use super::catalogue::Way;
use super::load;
use super::visit::{Going, LIMIT, Life, leave};
use crate::TestkitError;

impl Going {
    /// Does what makes the worker pass. Each time with fresh load: that of before may be used up.
    pub(super) async fn provoke(&self, act: &Act, life: &mut Life) -> Result<(), TestkitError> {
        match act.failpoint.way {
            Way::Load | Way::Arriving | Way::CatchingUp => {
                self.separate(act, life).await?;
                self.emit().await
            }
            Way::Batch => {
                self.separate(act, life).await?;
                self.emit().await?;
                load::emit_burst(&self.world).await
            }
            // Lanes of another role may have followed those that were handed over before.
            Way::HandingOver if life.worker.output().contains(&act.line()) => Ok(()),
            Way::HandingOver => {
                leave(life.second.take()).await?;
                self.has_every_lane(act, life).await?;
                self.emit().await?;
                life.alone = self.instances().await?;
                life.second = Some(self.own_side().launch().await?);
                Ok(())
            }
            Way::Leaving => {
                life.worker.wait_ready(LIMIT).await?;
                self.emit().await?;
                Ok(life.worker.terminate().await?)
            }
            Way::Failing => {
                self.separate(act, life).await?;
                self.healed.store(false, Ordering::Relaxed);
                self.emit().await?;
                load::emit_troubled(&self.world, self.rounds.load(Ordering::Relaxed)).await
            }
        }
    }

    /// A second worker beside it leaves: it could take the very events that lead there.
    async fn separate(&self, act: &Act, life: &mut Life) -> Result<(), TestkitError> {
        match life.second.take() {
            None => Ok(()),
            second => {
                leave(second).await?;
                self.has_every_lane(act, life).await
            }
        }
    }

    /// Waits until the worker has every lane, unless it is there already.
    async fn has_every_lane(&self, act: &Act, life: &Life) -> Result<(), TestkitError> {
        let ready = async || {
            Ok(life.worker.output().contains(&act.line())
                || self.is_one_with_every_lane(&life.predecessors).await?)
        };
        self.world.wait_until("one worker has every lane", LIMIT, ready).await
    }

    pub(super) async fn emit(&self) -> Result<(), TestkitError> {
        load::emit(&self.world, self.rounds.fetch_add(1, Ordering::Relaxed)).await
    }
}
