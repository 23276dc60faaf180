//! Worker instances: their lives, and what they decide. What they decide reaches the database as
//! errands, at once or late.

use std::sync::Arc;
use std::time::Duration;

use sea_mq_inbox::{Inbox, OpenState};
use sea_mq_lease::{Registry, Role};
use sqlx::PgPool;
use uuid::Uuid;

use crate::errand::{Errand, Settlement};
use crate::handler::Caller;
use crate::schedule::{Style, When};
use crate::world::{Checked, World, pick};

/// One life of an instance, as it knows itself.
#[derive(Clone)]
pub struct Life {
    pub instance: Uuid,
    /// The epoch of the ingest lease, if it is held.
    pub ingest: Option<i64>,
    pub lanes: Vec<i16>,
}

pub struct Worker {
    registry: Registry,
    /// Rises when the process ends and another takes its place.
    pub process: u32,
    pub life: Option<Life>,
    /// Its lives so far.
    instances: Vec<Uuid>,
}

impl Worker {
    pub fn new(pool: &PgPool, inbox: &Inbox) -> Self {
        Self { registry: registry(pool, inbox), process: 0, life: None, instances: Vec::new() }
    }
}

fn registry(pool: &PgPool, inbox: &Inbox) -> Registry {
    let role = |name: &str, lanes| Role { name: Arc::from(name), lanes };
    let roles = vec![role(inbox.ingest_role(), 1), role(inbox.dispatch_role(), 32)];
    Registry::new(pool.clone(), "test".to_owned(), roles, Duration::from_secs(600))
}

pub fn name(worker: usize) -> &'static str {
    ["A", "B"][worker]
}

impl World<'_> {
    pub fn caller(&self, worker: usize, life: &Life) -> Caller {
        Caller { worker, process: self.workers[worker].process, instance: life.instance }
    }

    /// The process that sent it is still there.
    pub fn is_there(&self, by: Caller) -> bool {
        self.workers[by.worker].process == by.process
    }

    pub async fn tick(&mut self, worker: usize) -> Checked {
        let held = self.workers[worker].registry.tick().await.map_err(|error| format!("{error:?}"))?;
        let before = self.workers[worker].life.take();
        let known = before.filter(|life| life.instance == held.instance).map(|life| life.lanes);
        let lanes: Vec<i16> = held.of(self.inbox.dispatch_role()).map(|lease| lease.lane).collect();
        let ingest = held.of(self.inbox.ingest_role()).next().map(|lease| lease.epoch);
        let new: Vec<i16> =
            lanes.iter().copied().filter(|l| !known.iter().flatten().any(|k| k == l)).collect();
        if known.is_none() {
            self.workers[worker].instances.push(held.instance);
        }
        self.say(format!("{} lives with {} lanes, ingest: {ingest:?}", name(worker), lanes.len()));
        let life = Life { instance: held.instance, ingest, lanes };
        self.workers[worker].life = Some(life.clone());
        self.adopt(self.caller(worker, &life), &new).await
    }

    /// Attempts that were left open on lanes just taken are lost, but for the own ones.
    async fn adopt(&mut self, by: Caller, lanes: &[i16]) -> Checked {
        for open in self.inbox.open(lanes).await.map_err(|error| format!("{error:?}"))? {
            let (id, fence) = (open.row.message_id, open.fence);
            if open.state != OpenState::Running || self.is_in_hand(by, id, fence) {
                continue;
            }
            self.say(format!(
                "{} finds attempt {fence} of event {} lost",
                name(by.worker),
                self.event_of(id)
            ));
            let settlement = Settlement::of(None, open.row.attempts, self.plan.max_deliver);
            self.send(Errand::Settle { by, message: id, fence, settlement }, When::Now).await?;
        }
        Ok(())
    }

    fn is_in_hand(&self, by: Caller, id: Uuid, fence: i64) -> bool {
        let same = |other: Caller| other.worker == by.worker && other.process == by.process;
        self.handlers
            .iter()
            .any(|h| h.awaited && same(h.call.by) && (h.call.message, h.call.fence) == (id, fence))
            || self.late.iter().any(|errand| errand.settles(id, fence).is_some_and(same))
    }

    /// The process ends; nobody waits for its calls any more.
    pub fn die(&mut self, worker: usize) {
        let inbox = &self.inbox;
        let process = self.workers[worker].process;
        let gone = &mut self.workers[worker];
        gone.registry = registry(&self.arena.pool, inbox);
        (gone.process, gone.life) = (process + 1, None);
        for handler in &mut self.handlers {
            handler.awaited &= (handler.call.by.worker, handler.call.by.process) != (worker, process);
        }
        self.say(format!("{} dies", name(worker)));
    }

    pub async fn expire(&mut self, worker: usize) {
        let instances = self.workers[worker].instances.clone();
        for instance in instances {
            self.arena.run(&format!("DELETE FROM mq_instances WHERE id = '{instance}'")).await;
            self.buried.insert(instance);
        }
        self.say(format!("{} is buried", name(worker)));
    }

    /// Messages whose turn it is on the worker's lanes: heads of their aggregates, and the exempt.
    pub fn startable(&self, worker: usize) -> Vec<Uuid> {
        let Some(life) = &self.workers[worker].life else { return Vec::new() };
        let process = self.workers[worker].process;
        let under_way: Vec<Uuid> = self
            .late
            .iter()
            .filter(|errand| errand.by().worker == worker && errand.by().process == process)
            .flat_map(Errand::starts)
            .collect();
        let mut seen = Vec::new();
        let mut found = Vec::new();
        for row in &self.rows {
            let is_open = !row.is_finished();
            let is_head = row.exempt || !seen.contains(&row.aggregate);
            if is_open && !row.exempt {
                seen.push(row.aggregate);
            }
            let free = |id: &Uuid| *id != row.id && (row.exempt || self.aggregate_of(*id) != row.aggregate);
            let may = matches!(row.state.as_str(), "ready" | "waiting" | "behind");
            if is_open && is_head && may && life.lanes.contains(&row.lane) && under_way.iter().all(free) {
                found.push(row.id);
            }
        }
        found
    }

    pub fn aggregate_of(&self, id: Uuid) -> u8 {
        self.events[self.event_of(id)].aggregate
    }

    /// The given worker, or the other one when only that has something to do.
    pub fn whoever(&self, worker: usize, has_work: impl Fn(usize) -> bool) -> usize {
        if has_work(worker) { worker } else { 1 - worker }
    }

    fn has_lanes(&self, worker: usize) -> bool {
        self.workers[worker].life.as_ref().is_some_and(|life| !life.lanes.is_empty())
    }

    pub async fn start(&mut self, worker: usize, number: u8, style: Style, when: When) -> Checked {
        let worker = self.whoever(worker, |worker| !self.startable(worker).is_empty());
        let Some(message) = pick(&self.startable(worker), number) else { return Ok(()) };
        let Some(life) = self.workers[worker].life.clone() else { return Ok(()) };
        let by = self.caller(worker, &life);
        self.send(Errand::Start { by, message, style }, when).await
    }

    /// What is ready and not the head of its aggregate.
    pub async fn put_behind(&mut self, worker: usize, when: When) -> Checked {
        let worker = self.whoever(worker, |worker| self.has_lanes(worker));
        let Some(life) = self.workers[worker].life.clone() else { return Ok(()) };
        let (mut heads, mut messages) = (Vec::new(), Vec::new());
        for row in self.rows.iter().filter(|row| !row.exempt && !row.is_finished()) {
            if heads.contains(&row.aggregate) && row.state == "ready" && life.lanes.contains(&row.lane) {
                messages.push(row.id);
            }
            heads.push(row.aggregate);
        }
        if messages.is_empty() {
            return Ok(());
        }
        let by = self.caller(worker, &life);
        self.send(Errand::PutBehind { by, messages }, when).await
    }

    pub async fn letters(&mut self, worker: usize, when: When) -> Checked {
        let worker = self.whoever(worker, |worker| self.has_lanes(worker));
        let Some(life) = self.workers[worker].life.clone() else { return Ok(()) };
        let letters = self.inbox.letters(&life.lanes, 0, 10).await.map_err(|error| format!("{error:?}"))?;
        for letter in letters {
            let by = self.caller(worker, &life);
            self.send(Errand::MarkDead { by, message: letter.message_id, fence: letter.fence }, when).await?;
        }
        Ok(())
    }

    pub async fn redrive(&mut self, number: u8) -> Checked {
        let dead: Vec<Uuid> = self.rows.iter().filter(|row| row.state == "dead").map(|row| row.id).collect();
        match pick(&dead, number) {
            Some(id) => self.redrive_message(id).await,
            None => Ok(()),
        }
    }

    pub async fn redrive_message(&mut self, id: Uuid) -> Checked {
        let done = self.inbox.redrive(id).await.map_err(|error| format!("{error:?}"))?;
        self.say(format!("event {} is redriven: {done}", self.event_of(id)));
        Ok(())
    }

    pub async fn discard(&mut self, number: u8) -> Checked {
        let holding: Vec<Uuid> = self.rows.iter().filter(|row| row.holding).map(|row| row.id).collect();
        let Some(id) = pick(&holding, number) else { return Ok(()) };
        let done = self.inbox.discard(id).await.map_err(|error| format!("{error:?}"))?;
        self.say(format!("event {} is discarded: {done}", self.event_of(id)));
        Ok(())
    }
}
