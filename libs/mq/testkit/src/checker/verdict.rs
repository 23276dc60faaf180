use std::fmt;

use uuid::Uuid;

use crate::TestkitError;
use crate::history::{History, InboxState, OutboxState};

/// What the checker found.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Every broken promise.
    pub violations: Vec<Violation>,
    pub(super) stories: Vec<String>,
    /// What there was altogether.
    pub totals: Totals,
}

/// One broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Two events of an aggregate in the wrong order.
    OrderBroken {
        /// The aggregate.
        aggregate: String,
        /// Whose effects are out of order; `None`: the stream itself is.
        consumer: Option<String>,
        /// What was committed first.
        first: Uuid,
        /// What was committed later, and came before.
        second: Uuid,
    },
    /// The row is dead and no letter tells of it.
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
    /// The chain of causes is torn.
    CausationBroken {
        /// The event.
        id: Uuid,
        /// What it says has caused it.
        cause: Uuid,
        /// Why that cannot be.
        why: String,
    },
}

/// Counts over a whole history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Rows of the outboxes.
    pub committed: usize,
    /// Of these, published.
    pub published: usize,
    /// Of these, parked or held.
    pub parked: usize,
    /// Messages in the event streams.
    pub streamed: usize,
    /// Rows of the inboxes.
    pub recorded: usize,
    /// Of these, processed.
    pub processed: usize,
    /// Of these, dead.
    pub dead: usize,
    /// Effects.
    pub effects: usize,
    /// Dead letters.
    pub letters: usize,
}

impl Totals {
    pub(super) fn of(history: &History) -> Self {
        let outbox = |states: &[OutboxState]| {
            history.committed.iter().filter(|event| states.contains(&event.state)).count()
        };
        let inbox = |state| history.inbox.iter().filter(|entry| entry.state == state).count();
        Self {
            committed: history.committed.len(),
            published: outbox(&[OutboxState::Published]),
            parked: outbox(&[OutboxState::Parked, OutboxState::Held]),
            streamed: history.streamed.len(),
            recorded: history.inbox.len(),
            processed: inbox(InboxState::Processed),
            dead: inbox(InboxState::Dead),
            effects: history.effects.len(),
            letters: history.letters.len(),
        }
    }
}

impl Violation {
    /// The event that it is about.
    #[must_use]
    pub fn event(&self) -> Uuid {
        match self {
            Self::Lost { id, .. }
            | Self::ProcessedWithoutEffect { id, .. }
            | Self::EffectTwice { id, .. }
            | Self::EffectWithoutEvent { id, .. }
            | Self::EffectAndDeadLettered { id, .. }
            | Self::DeadLetterMissing { id, .. }
            | Self::LetterWithoutDeadRow { id, .. }
            | Self::LetterTwice { id, .. }
            | Self::CausationBroken { id, .. } => *id,
            Self::OrderBroken { second, .. } => *second,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost { id, consumer, why } => {
                let whose = consumer.as_deref().unwrap_or("the publisher");
                write!(f, "lost: {id} by {whose}: {why}")
            }
            Self::ProcessedWithoutEffect { id, consumer } => {
                write!(f, "processed without effect: {id} by {consumer}")
            }
            Self::EffectTwice { id, consumer, times } => {
                write!(f, "{times} effects instead of one: {id} by {consumer}")
            }
            Self::EffectWithoutEvent { id, consumer } => {
                write!(f, "effect of an event that never was: {id} by {consumer}")
            }
            Self::EffectAndDeadLettered { id, consumer } => {
                write!(f, "effect and dead letter: {id} by {consumer}")
            }
            Self::OrderBroken { aggregate, consumer, first, second } => {
                let place = consumer.as_deref().unwrap_or("the stream");
                write!(f, "order of {aggregate} broken in {place}: {second} came before {first}")
            }
            Self::DeadLetterMissing { id, consumer, epoch } => {
                write!(f, "dead without a letter: {id} by {consumer} at epoch {epoch}")
            }
            Self::LetterWithoutDeadRow { id, consumer, epoch } => {
                write!(f, "dead letter without a dead row: {id} by {consumer} at epoch {epoch}")
            }
            Self::LetterTwice { id, consumer, epoch } => {
                write!(f, "two dead letters: {id} by {consumer} at epoch {epoch}")
            }
            Self::CausationBroken { id, cause, why } => {
                write!(f, "chain torn: {id} says that {cause} caused it: {why}")
            }
        }
    }
}

impl Verdict {
    /// True when every promise was kept.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    /// The totals, when every promise was kept.
    ///
    /// # Errors
    /// [`TestkitError::Broken`] with every violation and the story of its event.
    pub fn clean(self) -> Result<Totals, TestkitError> {
        if self.is_clean() { Ok(self.totals) } else { Err(TestkitError::Broken(self.to_string())) }
    }
}

/// More than this are only counted.
const SHOWN: usize = 20;

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} broken promises; {:?}", self.violations.len(), self.totals)?;
        for (violation, story) in self.violations.iter().zip(&self.stories).take(SHOWN) {
            write!(f, "  {violation}\n{story}")?;
        }
        match self.violations.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => writeln!(f, "  and {more} more"),
        }
    }
}
