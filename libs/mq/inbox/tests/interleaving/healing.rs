//! The end of a schedule: what hangs goes on or dies, and everything that is due is driven to its end
//! by a loop as plain as can be.

use crate::schedule::When;
use crate::world::{Checked, Fate, World};

/// More rounds than any world needs that comes to its end.
const ROUNDS: usize = 40;

impl World<'_> {
    pub async fn heal(&mut self) -> Checked {
        self.say("everything is well from here on");
        while !self.producers.is_empty() {
            self.end_producer(0, true).await;
        }
        self.end_handlers().await?;
        for worker in [0, 1] {
            self.die(worker);
        }
        self.drain().await?;
        for worker in [0, 1] {
            self.expire(worker).await;
        }
        self.tick(0).await?;
        for _ in 0..ROUNDS {
            self.round().await?;
            if self.has_come_to_rest() {
                return Ok(());
            }
        }
        Err("it does not come to its end".to_owned())
    }

    /// Handlers that hang end last: when everybody else has gone on without them.
    async fn end_handlers(&mut self) -> Checked {
        while self.handlers.iter().any(|handler| !handler.has_ended()) {
            for index in 0..self.handlers.len() {
                if self.plan.survivors & (1 << (index % 16)) == 0 {
                    self.crash(index).await?;
                } else {
                    self.advance(index, u8::MAX).await?;
                }
            }
            self.look().await?;
        }
        Ok(())
    }

    /// What was sent reaches the database.
    async fn drain(&mut self) -> Checked {
        while !self.late.is_empty() {
            self.arrive(0).await?;
            self.look().await?;
        }
        Ok(())
    }

    async fn round(&mut self) -> Checked {
        self.publish(true).await?;
        self.record(0, 0, u8::MAX, None, When::Now).await?;
        self.letters(0, When::Now).await?;
        self.look().await?;
        if self.rows.iter().any(|row| row.holding) {
            self.end_a_hold().await?;
        }
        for _ in 0..self.startable(0).len() {
            let first = self.handlers.len();
            self.start(0, 0, self.plan.healed, When::Now).await?;
            self.look().await?;
            for index in first..self.handlers.len() {
                self.advance(index, u8::MAX).await?;
                self.settle(index, self.handlers[index].answer, When::Now).await?;
            }
            self.look().await?;
        }
        self.drain().await
    }

    async fn end_a_hold(&mut self) -> Checked {
        let fresh = self.rows.iter().find(|row| row.holding && row.epoch == 0).map(|row| row.id);
        match fresh.filter(|_| self.plan.redrives) {
            Some(id) => self.redrive_message(id).await?,
            None => self.discard(0).await?,
        }
        self.look().await
    }

    fn has_come_to_rest(&self) -> bool {
        let is_recorded = |id| self.rows.iter().any(|row| row.id == id);
        self.rows.iter().all(|row| row.is_finished() && row.state != "waiting")
            && self.events.iter().all(|event| event.fate != Fate::Committed || is_recorded(event.id))
    }
}
