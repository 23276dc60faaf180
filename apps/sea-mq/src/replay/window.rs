//! The stream's memory of ids: until when it may answer "duplicate" for what it no longer holds.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use sea_mq_outbox::Claimed;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::output::complain;

/// The server forgets an id a little after its time.
const MARGIN: Duration = Duration::from_millis(100);
/// How often is asked whether it has forgotten, once it should have.
const AGAIN: Duration = Duration::from_millis(500);
/// How much longer than its window it may remember.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which events wait for the stream to forget their ids.
pub(super) struct Window {
    /// The duplicate window of the stream.
    length: Duration,
    /// The beginning, by the database's clock and by our own.
    began: (OffsetDateTime, Instant),
    /// Since when each of them is known to be remembered and not held.
    remembered: HashMap<Uuid, Instant>,
    told_until: Option<Instant>,
}

impl Window {
    pub(super) fn new(length: Duration, began: (OffsetDateTime, Instant)) -> Self {
        Self { length, began, remembered: HashMap::new(), told_until: None }
    }

    /// When the event is sent again; `None` when the stream ought to have forgotten it long ago.
    ///
    /// The id was remembered when it was stored, and that was before the row was marked published.
    pub(super) fn again_at(&mut self, row: &Claimed, now: Instant) -> Option<Instant> {
        let Some(first) = self.remembered.get(&row.id) else {
            self.remembered.insert(row.id, now);
            let ago = Duration::try_from(self.began.0 - row.since).unwrap_or_default().min(self.length);
            let forgotten = self.began.1 + (self.length - ago) + MARGIN;
            return Some(forgotten.max(now + MARGIN));
        };
        (now < *first + self.length + PATIENCE).then(|| now + AGAIN)
    }

    /// Says until when is waited, unless that was said.
    pub(super) fn tell(&mut self, stream: &str, until: Instant, now: Instant) {
        if self.told_until.is_some_and(|told| until <= told + PATIENCE) {
            return;
        }
        self.told_until = Some(until);
        let at = (OffsetDateTime::now_utc() + until.saturating_duration_since(now))
            .replace_nanosecond(0)
            .ok()
            .and_then(|at| at.format(&Rfc3339).ok())
            .unwrap_or_default();
        let length = self.length;
        complain(&format!(
            "{stream} answers \"duplicate\" for events that it does not hold any more: it remembers ids for {length:?}; waiting until {at}, then they are published again"
        ));
    }

    pub(super) fn stored(&mut self, id: Uuid) {
        self.remembered.remove(&id);
    }

    pub(super) fn length(&self) -> Duration {
        self.length
    }
}
