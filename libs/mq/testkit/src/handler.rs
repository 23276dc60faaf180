//! A handler that misbehaves on command.

mod answer;
mod call;
mod effect;
mod gate;
mod reply;
mod server;

pub use answer::{Answer, Hold};
pub use call::{Call, CallRecord};
pub use effect::EffectMode;
pub(crate) use effect::TABLES;
pub use gate::Gate;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sea_mq_stack::free_port;
use sqlx::PgPool;
use uuid::Uuid;

use crate::TestkitError;
use effect::Effects;
use server::Server;

/// What to answer to each call.
pub type Behaviour = Arc<dyn Fn(&Call) -> Answer + Send + Sync>;

/// A handler of one context, inside the test's process, on a port of its own.
pub struct TestHandler {
    port: u16,
    pub(crate) shared: Arc<Shared>,
    server: Option<Server>,
}

/// What the handler's tasks share.
pub(crate) struct Shared {
    behaviour: Mutex<Behaviour>,
    calls: Mutex<Vec<CallRecord>>,
    effectless: Mutex<BTreeSet<Uuid>>,
    batches: Mutex<Option<usize>>,
    pub(crate) effects: Effects,
}

impl TestHandler {
    /// Listens at once. Effects are written through `app`, a pool of the context's application role.
    ///
    /// # Errors
    /// No free port.
    pub async fn start(
        app: PgPool,
        mode: EffectMode,
        behaviour: impl Fn(&Call) -> Answer + Send + Sync + 'static,
    ) -> Result<Self, TestkitError> {
        let mut handler = Self::absent(app, mode, behaviour)?;
        handler.listen().await?;
        Ok(handler)
    }

    /// Has a port, and does not listen there before [`TestHandler::listen`].
    ///
    /// # Errors
    /// No free port.
    pub fn absent(
        app: PgPool,
        mode: EffectMode,
        behaviour: impl Fn(&Call) -> Answer + Send + Sync + 'static,
    ) -> Result<Self, TestkitError> {
        let shared = Arc::new(Shared {
            behaviour: Mutex::new(Arc::new(behaviour)),
            calls: Mutex::default(),
            effectless: Mutex::default(),
            batches: Mutex::default(),
            effects: Effects { app, mode },
        });
        Ok(Self { port: free_port()?, shared, server: None })
    }

    /// Listens (again) on its port.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn listen(&mut self) -> Result<(), TestkitError> {
        self.server = Some(Server::start(self.port, Arc::clone(&self.shared)).await?);
        Ok(())
    }

    /// Stops listening and breaks every connection. Transactions that hang inside go on.
    pub async fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }

    /// Where events are posted to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/handle", self.port)
    }

    /// Behaves otherwise from the next call on.
    pub fn behave(&self, behaviour: impl Fn(&Call) -> Answer + Send + Sync + 'static) {
        *lock(&self.shared.behaviour) = Arc::new(behaviour);
    }

    /// Takes up to so many events in one call from now on, or only one.
    pub fn offer_batches(&self, most: Option<usize>) {
        *lock(&self.shared.batches) = most;
    }

    /// Every call up to now, in the order of arrival.
    #[must_use]
    pub fn calls(&self) -> Vec<CallRecord> {
        lock(&self.shared.calls).clone()
    }

    /// The calls for one event.
    #[must_use]
    pub fn calls_of(&self, id: Uuid) -> Vec<CallRecord> {
        lock(&self.shared.calls).iter().filter(|record| record.call.message_id == id).cloned().collect()
    }

    /// What this handler promises of its effects.
    #[must_use]
    pub fn mode(&self) -> EffectMode {
        self.shared.effects.mode
    }

    /// Events that it settled without an effect, as it was told to.
    #[must_use]
    pub fn effectless(&self) -> BTreeSet<Uuid> {
        self.shared.effectless()
    }

    /// For the test that looks whether calls overlap: those that ran while `record` did.
    #[must_use]
    pub fn beside(&self, record: &CallRecord) -> Vec<CallRecord> {
        self.calls()
            .into_iter()
            .filter(|other| other.started != record.started && other.overlaps(record))
            .collect()
    }
}

impl Shared {
    /// Records the call and says what to do.
    pub(crate) fn take(&self, call: &Call) -> (usize, Answer) {
        let behaviour = Arc::clone(&lock(&self.behaviour));
        let mut calls = lock(&self.calls);
        calls.push(CallRecord { call: call.clone(), started: Instant::now(), ended: None });
        let number = calls.len() - 1;
        drop(calls);
        let answer = behaviour(call);
        if answer.settles_without_effect() {
            lock(&self.effectless).insert(call.message_id);
        }
        (number, answer)
    }

    pub(crate) fn batches(&self) -> Option<usize> {
        *lock(&self.batches)
    }

    pub(crate) fn effectless(&self) -> BTreeSet<Uuid> {
        lock(&self.effectless).clone()
    }

    pub(crate) fn ended(&self, number: usize) {
        if let Some(record) = lock(&self.calls).get_mut(number) {
            record.ended = Some(Instant::now());
        }
    }
}

impl CallRecord {
    fn overlaps(&self, other: &Self) -> bool {
        let end = |record: &Self| record.ended.unwrap_or(record.started + Duration::from_secs(3600));
        self.started < end(other) && other.started < end(self)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
