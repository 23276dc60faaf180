//! What a chaos run showed: a record for programs, a page and a summary for people.
//!
//! Pure. [`Report`] is the record (`report.json`), [`Report::to_html`] the page (`report.html`), which
//! stands alone in one file and fetches nothing, and [`summary`] what a terminal shows at the end.

mod axis;
mod chart;
mod headline;
mod hover;
mod lanes;
mod outcome;
mod page;
mod panel;
mod record;
mod scale;
mod tables;
mod tally;
#[cfg(test)]
mod tests;
mod text;
mod thin;
mod units;
mod violations;

pub use outcome::{Judgement, Outcome, RECOVERY_BAR_MS, RunTotals};
pub use record::{ContextSample, FaultOutcome, FaultRecord, Report, Sample, Versions};
pub use text::summary;
pub(crate) use units::{clock, span};
pub use violations::{Promise, ViolationRecord};
