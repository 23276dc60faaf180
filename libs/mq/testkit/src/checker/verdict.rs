use std::fmt;

use serde::{Deserialize, Serialize};

use super::violation::Violation;
use crate::TestkitError;
use crate::history::{History, InboxState, OutboxState};

/// What the checker found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Every broken promise.
    pub violations: Vec<Violation>,
    pub(super) stories: Vec<String>,
    /// What there was altogether.
    pub totals: Totals,
}

/// Counts over a whole history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

impl Verdict {
    /// True when every promise was kept.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    /// Every broken promise with all that is known of its events, a line for each thing that happened;
    /// beyond the first 500 without.
    pub fn told(&self) -> impl Iterator<Item = (&Violation, &str)> {
        let stories = self.stories.iter().map(String::as_str).chain(std::iter::repeat(""));
        self.violations.iter().zip(stories)
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
        for (violation, story) in self.told().take(SHOWN) {
            write!(f, "  {violation}\n{story}")?;
        }
        match self.violations.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => writeln!(f, "  and {more} more"),
        }
    }
}
