//! The history checker: which event broke which promise.
//!
//! Pure. It judges a run that has come to rest: what is still open then counts as lost. Each look at
//! the history is one pass over it, so that hundreds of thousands of events are judged in seconds.
//!
//! # Order
//! Each stage is judged by the one before it, so that a breach is told once, where it arose:
//! - The stream keeps the order of the outbox, within each incarnation.
//! - An inbox records in the order of the stream, within each incarnation.
//! - The effects of a consumer keep the order of its recording, over all incarnations.
//!
//! Who is exempt may come late, never early: an event that was dead-lettered (redriven since or not)
//! lets those that were recorded after it pass, but does not pass any recorded before it.
//!
//! An event that was replayed stands in its stream, and for a consumer that had lost it, at the place
//! of the replay: behind events that it precedes in the outbox. Two replayed events keep their order
//! if both came by one repair, or the earlier one by an earlier repair; at a consumer as far as both
//! were read there from the repair, and not before it. Nothing else is relaxed for them: recording
//! still follows the stream, and effects follow recording.
//!
//! # Purged streams
//! A published event that its stream no longer holds is no breach once every consumer that takes it
//! has finished with it. Whoever lacks it has lost it. An event that nobody takes must be in its stream.

mod causation;
mod effects;
mod index;
mod letters;
mod lost;
mod metrics;
mod order;
mod story;
#[cfg(test)]
mod tests;
mod verdict;
mod violation;

pub use verdict::{Totals, Verdict};
pub use violation::{Promise, Violation};

use crate::History;
use index::Index;

/// Judges a history. The violations come with the whole stories of their events.
#[must_use]
pub fn check(history: &History) -> Verdict {
    let index = Index::of(history);
    let mut violations = lost::counted_twice(&index);
    violations.extend(lost::lost(&index));
    violations.extend(lost::uncommitted(&index));
    violations.extend(causation::broken_causation(&index));
    violations.extend(effects::broken_effects(&index));
    violations.extend(letters::broken_letters(&index));
    violations.extend(order::broken_order(&index));
    violations.extend(metrics::wrong_metrics(&index));
    let stories = story::stories(&index, &violations);
    Verdict { violations, stories, totals: Totals::of(history) }
}
