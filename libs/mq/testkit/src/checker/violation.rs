mod text;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One broken promise. In JSON it is an object whose `kind` is [`Violation::kind`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Violation {
    /// It ended neither processed nor dead-lettered nor visible to the operator.
    Lost {
        /// The event.
        id: Uuid,
        /// The consumer that has not finished it; `None` when it never left the outbox.
        consumer: Option<String>,
        /// What is known of its end.
        why: String,
    },
    /// Two rows of outboxes with one id.
    CommittedTwice {
        /// The event.
        id: Uuid,
        /// How many rows.
        times: usize,
    },
    /// Two rows of one inbox for one consumer and event.
    RecordedTwice {
        /// The event.
        id: Uuid,
        /// The consumer.
        consumer: String,
        /// How many rows.
        times: usize,
    },
    /// A message in an event stream that no outbox committed, and nobody else was to put there.
    StoredWithoutCommit {
        /// The supposed event.
        id: Uuid,
        /// The stream.
        stream: String,
    },
    /// Marked processed, and nothing was done.
    ProcessedWithoutEffect {
        /// The event.
        id: Uuid,
        /// The consumer.
        consumer: String,
    },
    /// Done more than once.
    EffectTwice {
        /// The event.
        id: Uuid,
        /// The consumer.
        consumer: String,
        /// How often.
        times: usize,
    },
    /// Something was done for an event that never was.
    EffectWithoutEvent {
        /// The supposed event.
        id: Uuid,
        /// The consumer.
        consumer: String,
    },
    /// Done and given up at once.
    EffectAndDeadLettered {
        /// The event.
        id: Uuid,
        /// The consumer.
        consumer: String,
    },
    /// Done by an attempt that another had replaced, although its handler joins the inbox.
    StaleEffect {
        /// The event.
        id: Uuid,
        /// The consumer.
        consumer: String,
        /// The fence of the attempt that did it.
        fence: i64,
        /// The row's fence.
        current: i64,
    },
    /// Two events of an aggregate in the wrong order.
    OrderBroken {
        /// The aggregate.
        aggregate: String,
        /// Whose effects are out of the order of recording; `None`: the stream is out of the outbox's.
        consumer: Option<String>,
        /// What should have come first.
        first: Uuid,
        /// What came before it.
        second: Uuid,
    },
    /// Two events of an aggregate that an inbox recorded in another order than that of the stream.
    RecordedOutOfOrder {
        /// The aggregate.
        aggregate: String,
        /// The consumer.
        consumer: String,
        /// What should have been recorded first.
        first: Uuid,
        /// What was recorded before it.
        second: Uuid,
    },
    /// It died and no letter tells of it.
    DeadLetterMissing {
        /// The event.
        id: Uuid,
        /// The consumer.
        consumer: String,
        /// The epoch without a letter.
        epoch: i32,
    },
    /// A letter tells of a death that did not happen.
    LetterWithoutDeadRow {
        /// The event.
        id: Uuid,
        /// The consumer.
        consumer: String,
        /// The letter's epoch.
        epoch: i32,
    },
    /// Two letters of one death.
    LetterTwice {
        /// The event.
        id: Uuid,
        /// The consumer.
        consumer: String,
        /// Their epoch.
        epoch: i32,
    },
    /// The dead row and its letter give different reasons.
    ReasonsDiffer {
        /// The event.
        id: Uuid,
        /// The consumer.
        consumer: String,
        /// The row's reason.
        row: Option<String>,
        /// The letter's reason.
        letter: String,
    },
    /// The chain of causes is torn.
    CausationBroken {
        /// The event.
        id: Uuid,
        /// What it says has caused it.
        cause: Uuid,
        /// Why that cannot be.
        why: String,
    },
    /// As many events as effects should have come of an event, and did not.
    CausedMiscounted {
        /// The event.
        id: Uuid,
        /// The context whose handler it was.
        context: String,
        /// Its effects there.
        effects: usize,
        /// The events there that it has caused.
        caused: usize,
    },
    /// A gauge that says another number than the tables.
    MetricWrong {
        /// The worker's context.
        context: String,
        /// The instance.
        instance: String,
        /// The metric.
        metric: String,
        /// The consumer, where the metric has one.
        consumer: Option<String>,
        /// What it said.
        shown: String,
        /// How many rows there are.
        counted: u64,
    },
}

/// What was promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Promise {
    /// Whatever was committed ends processed, or dead-lettered where a person finds it.
    NothingLost,
    /// Effects exactly once, of committed events only.
    NothingTwice,
    /// Events of one aggregate in order.
    InOrder,
    /// Reasons, chains of causes and counts are right.
    Accounted,
}

impl Violation {
    /// Its name, as in JSON.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Lost { .. } => "lost",
            Self::CommittedTwice { .. } => "committed_twice",
            Self::RecordedTwice { .. } => "recorded_twice",
            Self::StoredWithoutCommit { .. } => "stored_without_commit",
            Self::ProcessedWithoutEffect { .. } => "processed_without_effect",
            Self::EffectTwice { .. } => "effect_twice",
            Self::EffectWithoutEvent { .. } => "effect_without_event",
            Self::EffectAndDeadLettered { .. } => "effect_and_dead_lettered",
            Self::StaleEffect { .. } => "stale_effect",
            Self::OrderBroken { .. } => "order_broken",
            Self::RecordedOutOfOrder { .. } => "recorded_out_of_order",
            Self::DeadLetterMissing { .. } => "dead_letter_missing",
            Self::LetterWithoutDeadRow { .. } => "letter_without_dead_row",
            Self::LetterTwice { .. } => "letter_twice",
            Self::ReasonsDiffer { .. } => "reasons_differ",
            Self::CausationBroken { .. } => "causation_broken",
            Self::CausedMiscounted { .. } => "caused_miscounted",
            Self::MetricWrong { .. } => "metric_wrong",
        }
    }

    /// The promise that it breaks.
    #[must_use]
    pub fn promise(&self) -> Promise {
        match self {
            Self::Lost { .. } | Self::ProcessedWithoutEffect { .. } | Self::DeadLetterMissing { .. } => {
                Promise::NothingLost
            }
            Self::CommittedTwice { .. }
            | Self::RecordedTwice { .. }
            | Self::StoredWithoutCommit { .. }
            | Self::EffectTwice { .. }
            | Self::EffectWithoutEvent { .. }
            | Self::EffectAndDeadLettered { .. }
            | Self::StaleEffect { .. } => Promise::NothingTwice,
            Self::OrderBroken { .. } | Self::RecordedOutOfOrder { .. } => Promise::InOrder,
            Self::LetterWithoutDeadRow { .. }
            | Self::LetterTwice { .. }
            | Self::ReasonsDiffer { .. }
            | Self::CausationBroken { .. }
            | Self::CausedMiscounted { .. }
            | Self::MetricWrong { .. } => Promise::Accounted,
        }
    }

    /// The event that it is about; the nil UUID for a metric, which is about none.
    #[must_use]
    pub fn event(&self) -> Uuid {
        match self {
            Self::Lost { id, .. }
            | Self::CommittedTwice { id, .. }
            | Self::RecordedTwice { id, .. }
            | Self::StoredWithoutCommit { id, .. }
            | Self::ProcessedWithoutEffect { id, .. }
            | Self::EffectTwice { id, .. }
            | Self::EffectWithoutEvent { id, .. }
            | Self::EffectAndDeadLettered { id, .. }
            | Self::StaleEffect { id, .. }
            | Self::DeadLetterMissing { id, .. }
            | Self::LetterWithoutDeadRow { id, .. }
            | Self::LetterTwice { id, .. }
            | Self::ReasonsDiffer { id, .. }
            | Self::CausationBroken { id, .. }
            | Self::CausedMiscounted { id, .. } => *id,
            Self::OrderBroken { second, .. } | Self::RecordedOutOfOrder { second, .. } => *second,
            Self::MetricWrong { .. } => Uuid::nil(),
        }
    }

    /// All events that it names: the one that it is about, and whom that passed or says has caused it.
    #[must_use]
    pub fn events(&self) -> Vec<Uuid> {
        match self {
            Self::OrderBroken { first, second, .. } | Self::RecordedOutOfOrder { first, second, .. } => {
                vec![*first, *second]
            }
            Self::CausationBroken { id, cause, .. } => vec![*id, *cause],
            Self::MetricWrong { .. } => Vec::new(),
            Self::Lost { .. }
            | Self::CommittedTwice { .. }
            | Self::RecordedTwice { .. }
            | Self::StoredWithoutCommit { .. }
            | Self::ProcessedWithoutEffect { .. }
            | Self::EffectTwice { .. }
            | Self::EffectWithoutEvent { .. }
            | Self::EffectAndDeadLettered { .. }
            | Self::StaleEffect { .. }
            | Self::DeadLetterMissing { .. }
            | Self::LetterWithoutDeadRow { .. }
            | Self::LetterTwice { .. }
            | Self::ReasonsDiffer { .. }
            | Self::CausedMiscounted { .. } => vec![self.event()],
        }
    }
}
