//! The history checker: which event broke which promise.
//!
//! Pure. It judges a run that has come to rest: what is still open then counts as lost.

mod effects;
mod index;
mod letters;
mod lost;
mod order;
mod story;
#[cfg(test)]
mod tests;
mod verdict;

pub use verdict::{Totals, Verdict, Violation};

use crate::History;
use index::Index;

/// Judges a history. Each violation comes with the whole story of its event.
#[must_use]
pub fn check(history: &History) -> Verdict {
    let index = Index::of(history);
    let mut violations = Vec::new();
    violations.extend(lost::lost(&index));
    violations.extend(lost::broken_causation(&index));
    violations.extend(effects::broken_effects(&index));
    violations.extend(letters::broken_letters(&index));
    violations.extend(order::broken_order(&index));
    let stories = violations.iter().map(|violation| story::story(&index, violation.event())).collect();
    Verdict { violations, stories, totals: Totals::of(history) }
}
