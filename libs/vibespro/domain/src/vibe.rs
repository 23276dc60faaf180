use std::fmt;

use thiserror::Error;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Description, Title, UserId, VibeEvent, Violation};

/// A vibe's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VibeId(pub Uuid);

impl fmt::Display for VibeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How often a vibe was changed by a command, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(i64);

impl Revision {
    /// Of a vibe that was just created.
    pub const FIRST: Self = Self(1);

    /// Checks a number that a caller gives as `expected_revision`.
    ///
    /// # Errors
    /// [`Violation`] of `expected_revision`.
    pub fn parse(number: i64) -> Result<Self, Violation> {
        if number >= 1 {
            return Ok(Self(number));
        }
        Err(Violation::new("expected_revision", format!("is {number}; revisions start at 1")))
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> i64 {
        self.0
    }

    fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Score(u8);

impl Score {
    /// The highest score.
    pub const MAX: u8 = 100;

    /// Checks.
    ///
    /// # Errors
    /// [`Violation`] of `score`.
    pub fn parse(number: i64) -> Result<Self, Violation> {
        match u8::try_from(number) {
            Ok(score) if score <= Self::MAX => Ok(Self(score)),
            Ok(_) | Err(_) => Err(Violation::new("score", format!("is {number}; use 0 to {}", Self::MAX))),
        }
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }
}

/// How governance judged a vibe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Fine.
    Approved,
    /// A person looks at it.
    Review,
    /// It broke a policy.
    Rejected,
}

impl Outcome {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Review => "review",
            Self::Rejected => "rejected",
        }
    }

    /// By its name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Approved, Self::Review, Self::Rejected].into_iter().find(|each| each.as_str() == text)
    }
}

/// What governance decided about a vibe. Written by the handlers of its events, never by a command,
/// so that it leaves the revision alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// How it was judged.
    pub outcome: Outcome,
    /// Why.
    pub reason: Option<String>,
    /// The deciding context's case.
    pub case_id: Option<Uuid>,
    /// When.
    pub decided_at: OffsetDateTime,
}

/// A vibe as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vibe {
    /// Which.
    pub vibe_id: VibeId,
    /// Whose.
    pub user_id: UserId,
    /// Its title.
    pub title: Title,
    /// Its description.
    pub description: Description,
    /// How often it was changed.
    pub revision: Revision,
    /// Its score, once it has one.
    pub score: Option<Score>,
    /// What governance said last, once it did.
    pub decision: Option<Decision>,
    /// When it was created.
    pub created_at: OffsetDateTime,
    /// When a command changed it last.
    pub updated_at: OffsetDateTime,
}

/// What a new vibe is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewVibe {
    /// Which.
    pub vibe_id: VibeId,
    /// Whose.
    pub user_id: UserId,
    /// Its title.
    pub title: Title,
    /// Its description.
    pub description: Description,
}

/// A vibe after a change, and the event that tells of it. They are stored together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// After the change.
    pub vibe: Vibe,
    /// What others are told.
    pub event: VibeEvent,
}

/// Why a change is not made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// It was decided on another revision.
    #[error("expected revision {}, it is at {}", expected.number(), current.number())]
    Stale {
        /// What it was decided on.
        expected: Revision,
        /// What the vibe is at.
        current: Revision,
    },
    /// It would change nothing.
    #[error("{0}")]
    Empty(Violation),
}

impl Vibe {
    /// A new vibe.
    #[must_use]
    pub fn create(new: NewVibe, now: OffsetDateTime) -> Change {
        let vibe = Self {
            vibe_id: new.vibe_id,
            user_id: new.user_id,
            title: new.title,
            description: new.description,
            revision: Revision::FIRST,
            score: None,
            decision: None,
            created_at: now,
            updated_at: now,
        };
        let event = VibeEvent::Created {
            vibe_id: vibe.vibe_id,
            user_id: vibe.user_id.clone(),
            title: vibe.title.clone(),
            description: vibe.description.clone(),
            revision: vibe.revision,
            created_at: now,
        };
        Change { vibe, event }
    }

    /// With another title, another description or both; what is `None` stays.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn update(
        self,
        expected: Revision,
        title: Option<Title>,
        description: Option<Description>,
        now: OffsetDateTime,
    ) -> Result<Change, Refused> {
        if title.is_none() && description.is_none() {
            return Err(Refused::Empty(Violation::new("title", "give a title, a description or both")));
        }
        let mut vibe = self.advanced(expected, now)?;
        vibe.title = title.unwrap_or(vibe.title);
        vibe.description = description.unwrap_or(vibe.description);
        let event = VibeEvent::Updated {
            vibe_id: vibe.vibe_id,
            user_id: vibe.user_id.clone(),
            title: vibe.title.clone(),
            description: vibe.description.clone(),
            revision: vibe.revision,
            updated_at: now,
        };
        Ok(Change { vibe, event })
    }

    /// With a score, the first or another one.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn score(self, expected: Revision, score: Score, now: OffsetDateTime) -> Result<Change, Refused> {
        let mut vibe = self.advanced(expected, now)?;
        vibe.score = Some(score);
        let event = VibeEvent::Scored {
            vibe_id: vibe.vibe_id,
            user_id: vibe.user_id.clone(),
            title: vibe.title.clone(),
            score,
            revision: vibe.revision,
            scored_at: now,
        };
        Ok(Change { vibe, event })
    }

    fn advanced(mut self, expected: Revision, now: OffsetDateTime) -> Result<Self, Refused> {
        if self.revision != expected {
            return Err(Refused::Stale { expected, current: self.revision });
        }
        self.revision = self.revision.next();
        self.updated_at = now;
        Ok(self)
    }
}

#[cfg(test)]
mod tests;
