use std::fmt;

use super::Violation;

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost { id, consumer, why } => {
                let whose = consumer.as_deref().unwrap_or("the publisher");
                write!(f, "lost: {id} by {whose}: {why}")
            }
            Self::CommittedTwice { id, times } => write!(f, "{times} outbox rows instead of one: {id}"),
            Self::RecordedTwice { id, consumer, times } => {
                write!(f, "{times} inbox rows instead of one: {id} by {consumer}")
            }
            Self::StoredWithoutCommit { id, stream } => {
                write!(f, "message that no outbox committed: {id} in {stream}")
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
            Self::StaleEffect { id, consumer, fence, current } => {
                write!(f, "effect of attempt {fence}, while {current} is the current one: {id} by {consumer}")
            }
            Self::OrderBroken { aggregate, consumer, first, second } => {
                let place = consumer.as_deref().unwrap_or("the stream");
                write!(f, "order of {aggregate} broken in {place}: {second} came before {first}")
            }
            Self::RecordedOutOfOrder { aggregate, consumer, first, second } => {
                write!(
                    f,
                    "order of {aggregate} broken in the inbox of {consumer}: {second} came before {first}"
                )
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
            Self::ReasonsDiffer { id, consumer, row, letter } => {
                let row = row.as_deref().unwrap_or("none");
                write!(f, "the reason is {row} in the inbox, {letter} in the letter: {id} by {consumer}")
            }
            Self::CausationBroken { id, cause, why } => {
                write!(f, "chain torn: {id} says that {cause} caused it: {why}")
            }
            Self::CausedMiscounted { id, context, effects, caused } => {
                write!(
                    f,
                    "{caused} events caused by {id} in {context}, where it has {effects} effects of one each"
                )
            }
            Self::MetricWrong { context, instance, metric, consumer, shown, counted } => {
                let whose = consumer.as_ref().map_or_else(String::new, |consumer| format!(" for {consumer}"));
                write!(f, "{metric}{whose} of {context} ({instance}) says {shown}, there are {counted} rows")
            }
        }
    }
}
