//! What is known of a run once it has come to rest.

mod file;
mod reading;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

pub use reading::Reading;

/// Everything that was committed, stored, recorded, effected and dead-lettered in one run.
///
/// It can be kept in a file and judged again: [`History::save`], [`History::load`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// Rows of the outboxes.
    pub committed: Vec<CommittedEvent>,
    /// Messages in the event streams.
    pub streamed: Vec<StreamedEvent>,
    /// Rows of the inboxes.
    pub inbox: Vec<InboxEntry>,
    /// What the handlers did, in whatever order.
    pub effects: Vec<Effect>,
    /// Messages in the dead-letter streams.
    pub letters: Vec<DeadLetter>,
    /// Who was to receive what.
    pub subscriptions: Vec<Subscription>,
    /// Events that a handler settled without an effect, on purpose.
    pub effectless: BTreeSet<Uuid>,
    /// Events that an operator published again from the outbox, after their stream had been purged or
    /// made anew. They may come later than their place in the outbox says, never earlier.
    pub replayed: BTreeSet<Uuid>,
    /// Which repair, counted from 1, published an event again last. An event of `replayed` that is not
    /// named here belongs to the first; so nothing need be said of a run with one repair.
    pub repairs: BTreeMap<Uuid, u32>,
    /// Events whose handler commits exactly one event of its own with each effect.
    pub expects_caused: BTreeSet<Uuid>,
    /// Messages that were put into an event stream past every outbox of this history. `None`: not
    /// known, so that whatever a stream holds counts as an event.
    pub foreign: Option<BTreeSet<Uuid>>,
    /// What the workers' gauges said at rest; see [`Reading`] for which count and when to read them.
    pub readings: Vec<Reading>,
}

/// One row of an outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommittedEvent {
    /// The event.
    pub id: Uuid,
    /// The context that committed it.
    pub context: String,
    /// Its subject.
    pub subject: String,
    /// What it is ordered by; `None` is unordered.
    pub aggregate: Option<Aggregate>,
    /// Its place in the outbox's order.
    pub seq: i64,
    /// The chain that it belongs to.
    pub correlation_id: Uuid,
    /// The event that caused it.
    pub causation_id: Option<Uuid>,
    /// When it was written.
    #[serde(with = "time::serde::rfc3339")]
    pub recorded_at: OffsetDateTime,
    /// How far it is.
    pub state: OutboxState,
    /// Where it was stored, once it is published.
    pub stored: Option<Place>,
}

/// What an event is ordered by, within its stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Aggregate {
    /// Kind; may be empty.
    pub kind: String,
    /// Identity.
    pub id: String,
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.id)
    }
}

/// How far a row of an outbox is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutboxState {
    /// Not due yet.
    Scheduled,
    /// To be published.
    Ready,
    /// Acknowledged by the stream.
    Published,
    /// Refused for good, visible to the operator.
    Parked,
    /// Behind a parked one of its aggregate.
    Held,
}

/// Where a message lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The stream.
    pub stream: String,
    /// When that stream was created: its incarnation.
    #[serde(with = "time::serde::rfc3339")]
    pub incarnation: OffsetDateTime,
    /// Sequence in it.
    pub seq: u64,
}

/// One message of an event stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamedEvent {
    /// The event; without a usable id, the one that stands for its place.
    pub id: Uuid,
    /// Its subject.
    pub subject: String,
    /// Where it lies.
    pub place: Place,
}

/// One row of an inbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InboxEntry {
    /// The consumer.
    pub consumer: String,
    /// The event.
    pub id: Uuid,
    /// Where it was read.
    pub place: Place,
    /// How far it is.
    pub state: InboxState,
    /// Attempts in its present epoch.
    pub attempts: i32,
    /// Its fence.
    pub fence: i64,
    /// How often it was redriven.
    pub epoch: i32,
    /// Why it was given up.
    pub dead_reason: Option<String>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// Its place in the order of recording.
    pub pos: i64,
}

/// How far a row of an inbox is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InboxState {
    /// To be called.
    Ready,
    /// An attempt is under way.
    Running,
    /// Waits for its next attempt.
    Waiting,
    /// Behind its aggregate's head.
    Behind,
    /// Done.
    Processed,
    /// Given up, its letter not yet known to be stored.
    Dying,
    /// Dead-lettered.
    Dead,
}

/// Something that a handler did for an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// The consumer whose handler it was.
    pub consumer: String,
    /// The event.
    pub id: Uuid,
    /// Its place in the order of effects.
    pub order: i64,
    /// The attempt's fence; 0 when the handler did not note it.
    pub fence: i64,
}

/// One message of a dead-letter stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The consumer that gave up.
    pub consumer: String,
    /// The event.
    pub id: Uuid,
    /// How often it was redriven before.
    pub epoch: i32,
    /// Why.
    pub reason: String,
    /// Where it lies.
    pub place: Place,
}

/// One consumer, what it takes and what its handler promises.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    /// The durable's name.
    pub consumer: String,
    /// The stream that it reads.
    pub stream: String,
    /// Filter on the subjects, as the broker understands it.
    pub filter: String,
    /// What may be expected of its effects.
    pub guarantee: Guarantee,
}

/// What may be expected of a handler's effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guarantee {
    /// Effect and inbox mark in one transaction: exactly once, and never beside a dead letter.
    Joined,
    /// Effects keyed by the message id: exactly once, but a zombie's may stand beside a dead letter.
    KeyedById,
    /// At least once.
    Plain,
}

impl Subscription {
    /// The context whose handler it feeds: what stands before `__` in its name.
    #[must_use]
    pub fn context(&self) -> &str {
        self.consumer.split_once("__").map_or(self.consumer.as_str(), |(context, _)| context)
    }

    /// Whether it takes an event with this subject.
    #[must_use]
    pub fn takes(&self, subject: &str) -> bool {
        let (mut filter, mut tokens) = (self.filter.split('.'), subject.split('.'));
        loop {
            match (filter.next(), tokens.next()) {
                (Some(">"), Some(_)) | (None, None) => return true,
                (Some(want), Some(have)) if want == "*" || want == have => {}
                (Some(_), Some(_)) | (Some(_), None) | (None, Some(_)) => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Guarantee, Subscription};

    #[test]
    fn filters_match_as_the_broker_does() {
        for (filter, subject, takes) in [
            ("a.event.>", "a.event.x.v1", true),
            ("a.event.>", "a.event", false),
            ("a.event.*.v1", "a.event.x.v1", true),
            ("a.event.*.v1", "a.event.x.v2", false),
            ("a.event.x.v1", "a.event.x.v1", true),
            ("a.event.x.v1", "a.event.x.v1.y", false),
        ] {
            let subscription = Subscription {
                consumer: "c__from_a".to_owned(),
                stream: "S".to_owned(),
                filter: filter.to_owned(),
                guarantee: Guarantee::Plain,
            };
            assert_eq!(subscription.takes(subject), takes, "{filter} {subject}");
            assert_eq!(subscription.context(), "c");
        }
    }
}
