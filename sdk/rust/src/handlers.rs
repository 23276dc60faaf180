//! Which handler handles which event.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use sqlx::PgPool;

use crate::answer::Answer;
use crate::engine;
use crate::event::Call;
use crate::handle::{AskAndHandle, Handle, HandleMany, Transactions};
use crate::health;
use crate::prepared::{Asking, Many, One, Reaction};

/// The handlers of one context, over its database: what it does about each event type and version.
///
/// [`answer`](Self::answer) and [`answer_batch`](Self::answer_batch) handle the calls of a worker, wherever they come
/// from: over HTTP by [`router`](crate::router), or from within the process. When their future is dropped, what is not
/// committed is rolled back.
#[derive(Clone)]
pub struct Handlers {
    pool: PgPool,
    transactions: Transactions,
    reactions: BTreeMap<String, BTreeMap<i32, Option<Arc<dyn Reaction>>>>,
}

impl Handlers {
    /// `pool` is of the context's database, as its application role.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool, transactions: Transactions::default(), reactions: BTreeMap::new() }
    }

    /// What holds for handlers that do not say it themselves; [`Transactions::Each`] by default.
    #[must_use]
    pub fn transactions(mut self, transactions: Transactions) -> Self {
        self.transactions = transactions;
        self
    }

    /// Handles one event at a time.
    ///
    /// # Panics
    /// When the event has a handler already or cannot be the name of one: a type is lower snake case, a version 1 or
    /// more.
    #[must_use]
    #[track_caller]
    pub fn on<H: Handle>(self, event_type: &str, event_version: i32, handler: H) -> Self {
        self.with(event_type, event_version, Some(Arc::new(One(Arc::new(handler)))))
    }

    /// Asks others before the transaction. Panics as [`on`](Self::on).
    #[must_use]
    #[track_caller]
    pub fn on_asking<H: AskAndHandle>(self, event_type: &str, event_version: i32, handler: H) -> Self {
        self.with(event_type, event_version, Some(Arc::new(Asking(Arc::new(handler)))))
    }

    /// Handles all events of the type in a batch at once. Panics as [`on`](Self::on).
    #[must_use]
    #[track_caller]
    pub fn on_many<H: HandleMany>(self, event_type: &str, event_version: i32, handler: H) -> Self {
        self.with(event_type, event_version, Some(Arc::new(Many(Arc::new(handler)))))
    }

    /// A known event with nothing to do: 200. One that is not known at all is 404, and comes again. Panics as
    /// [`on`](Self::on).
    #[must_use]
    #[track_caller]
    pub fn ignore(self, event_type: &str, event_version: i32) -> Self {
        self.with(event_type, event_version, None)
    }

    #[track_caller]
    fn with(mut self, event_type: &str, event_version: i32, reaction: Option<Arc<dyn Reaction>>) -> Self {
        assert!(
            is_event_type(event_type) && event_version >= 1,
            "{event_type:?} version {event_version}: an event type is lower snake case, its version 1 or more"
        );
        let versions = self.reactions.entry(event_type.to_owned()).or_default();
        let twice = versions.insert(event_version, reaction).is_some();
        assert!(!twice, "{event_type} version {event_version} is registered twice");
        self
    }

    /// The event types and versions that there are handlers for, in order; those that are ignored are not among them.
    pub fn events(&self) -> impl Iterator<Item = (&str, i32)> {
        self.reactions.iter().flat_map(|(event_type, versions)| {
            let handled = versions.iter().filter(|(_, reaction)| reaction.is_some());
            handled.map(|(version, _)| (event_type.as_str(), *version))
        })
    }

    /// Handles one event. What is done takes effect exactly once, and is told in one log line.
    pub async fn answer(&self, call: Call) -> Answer {
        let mut answers = engine::run(self, vec![call]).await;
        answers.pop().unwrap_or_else(|| Answer::new(500, "nothing came of it"))
    }

    /// Handles several events, at most one of an aggregate. One answer for each call, in their order; an event fails
    /// alone.
    pub async fn answer_batch(&self, calls: Vec<Call>) -> Vec<Answer> {
        engine::run(self, calls).await
    }

    /// Why events cannot be handled now, or none when they can: the database is reachable, the inbox's functions can
    /// be called, and the tables (`table`) and columns (`table.column`) of `needs` are there. Within seconds.
    pub async fn why_not_ready(&self, needs: &[String]) -> Option<String> {
        health::why_not_ready(&self.pool, needs).await
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// `Some(None)` is ignored.
    pub(crate) fn reaction(
        &self,
        event_type: &str,
        event_version: i32,
    ) -> Option<Option<&Arc<dyn Reaction>>> {
        self.reactions.get(event_type)?.get(&event_version).map(Option::as_ref)
    }

    pub(crate) fn shares(&self, reaction: &dyn Reaction) -> bool {
        reaction.transactions().unwrap_or(self.transactions) == Transactions::Together
    }
}

fn is_event_type(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.events()).finish()
    }
}
