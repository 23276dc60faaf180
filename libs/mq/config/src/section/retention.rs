use std::time::Duration;

use crate::describe::Listing;
use crate::reader::Reader;
use crate::section::dead_letters::DEAD_LETTER_MAX_AGE;
use crate::section::topology::STREAM_MAX_AGE;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How much longer than the stream an outbox row must live, so that repair finds it.
const OUTBOX_MARGIN: Duration = DAY;

/// How long finished rows are kept.
#[derive(Clone, Copy, Debug)]
pub struct RetentionSettings {
    /// Published rows of the outbox.
    pub outbox: Duration,
    /// Finished rows of the inbox; longer than anything that may be replayed or redriven.
    pub inbox: Duration,
}

impl RetentionSettings {
    pub(crate) fn read(reader: &Reader<'_>) -> Self {
        let settings = Self {
            outbox: reader.days("outbox_retention_days", 14, 1..=3_650),
            inbox: reader.days("inbox_retention_days", 45, 1..=3_650),
        };
        settings.validate(reader);
        settings
    }

    /// An inbox row that is gone before the last copy of its event would let it run twice.
    fn validate(self, reader: &Reader<'_>) {
        let (outbox, inbox) = (days(self.outbox), days(self.inbox));
        let least = STREAM_MAX_AGE + OUTBOX_MARGIN;
        if self.outbox < least {
            let reason = format!(
                "use at least {}: the stream keeps events for {} days, and repair reads the \
                 outbox beyond that",
                days(least),
                days(STREAM_MAX_AGE)
            );
            reader.problems.shown(&reader.name("outbox_retention_days"), &outbox.to_string(), reason);
        }
        let name = reader.name("inbox_retention_days");
        if self.inbox <= self.outbox {
            let other = reader.name("outbox_retention_days");
            let reason = format!(
                "use more than {other}, which is {outbox}, or an event replayed from the outbox \
                 could run twice"
            );
            reader.problems.shown(&name, &inbox.to_string(), reason);
        }
        if self.inbox <= DEAD_LETTER_MAX_AGE {
            let reason = format!(
                "use more than {}, the days that a dead letter is kept, or a redriven event \
                 could run twice",
                days(DEAD_LETTER_MAX_AGE)
            );
            reader.problems.shown(&name, &inbox.to_string(), reason);
        }
    }

    pub(crate) fn describe(self, into: &mut Listing) {
        into.number("outbox_retention_days", days(self.outbox));
        into.number("inbox_retention_days", days(self.inbox));
    }
}

fn days(duration: Duration) -> u64 {
    duration.as_secs() / DAY.as_secs()
}
