//! A stream that has given sequences out twice.
//!
//! A broker that loses what it had stored (a restored backup, a power cut without fsync, a full disk on some
//! server lines) goes on from an earlier sequence, or gives the same message another one, and its creation time
//! stays. Then what lies below the recorded sequence is not all recorded. So whoever begins with a stream
//! compares its end with the inbox: from the first message on that is not known, it is read once more.

use std::collections::HashSet;
use std::time::Duration;

use sea_mq_failpoint::wall_clock;
use sea_mq_observe::metric;
use sea_mq_stream::{Range, StreamError, StreamFacts};
use time::OffsetDateTime;

use super::arrival::{Incoming, arrival};
use super::continuity::Continuity;
use super::{Session, SessionError};
use crate::leases::in_one_line;

/// Messages that are compared at a time; those before them when something was new among them.
const COMPARED: u64 = 20;
/// The inbox may have forgotten older ones, which would be handled once more.
const REMEMBERED: Duration = Duration::from_secs(14 * 24 * 60 * 60);

impl Session<'_> {
    /// Compares the newest messages up to what is recorded with the inbox, as far back as there is something
    /// new, and records that. A subscription to a part of a stream may not read single messages, and compares
    /// nothing.
    pub(super) async fn look_back(&mut self, facts: &StreamFacts) -> Result<(), SessionError> {
        if !self.account.is_whole() {
            return Ok(());
        }
        let (first, recorded) = (facts.first_seq().max(1), self.continuity.recorded());
        let (mut last, mut unknown) = (recorded.min(facts.last_seq()), None);
        while first <= last {
            let from = last.saturating_sub(COMPARED - 1).max(first);
            let Some(lowest) = self.lowest_unknown(from, last).await? else { break };
            (unknown, last) = (Some(lowest), from - 1);
        }
        let Some(lowest) = unknown else { return Ok(()) };
        self.tell_rewound(lowest);
        self.continuity = Continuity::from(lowest - 1);
        self.read_singly(recorded.min(facts.last_seq())).await.map(drop)
    }

    /// The lowest sequence of a part of the stream whose message the inbox does not know.
    async fn lowest_unknown(&self, from: u64, to: u64) -> Result<Option<u64>, SessionError> {
        let s = &self.ingest.subscription;
        let (mut lowest, mut next) = (None, from);
        while next <= to && lowest.is_none() {
            let limit = usize::try_from(COMPARED).unwrap_or(usize::MAX);
            let range = match self.ingest.broker.read_singly(&s.stream, &s.subject, next, to, limit).await {
                Ok(range) => range,
                // Nothing is left there, or it may not be read: the durable delivers what is newer.
                Err(error @ (StreamError::RangeDisturbed { .. } | StreamError::Denied { .. })) => {
                    tracing::debug!(why = in_one_line(&error), "the stream's end could not be compared");
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            };
            let last = range.messages.last().map_or(to, |message| message.stream_seq);
            next = if range.complete { to } else { last } + 1;
            lowest = self.first_unknown(range).await?;
        }
        Ok(lowest)
    }

    async fn first_unknown(&self, range: Range) -> Result<Option<u64>, SessionError> {
        let horizon = OffsetDateTime::from(wall_clock()) - REMEMBERED;
        let recent = range.messages.into_iter().filter(|message| message.published_at > horizon);
        let (stream, contracts) = (&self.ingest.subscription.stream, &self.ingest.contracts);
        let rows: Vec<_> =
            recent.map(|m| arrival(Incoming::from(m), stream, self.incarnation, contracts)).collect();
        let ids: Vec<_> = rows.iter().map(|row| row.message_id).collect();
        let unknown: HashSet<_> = self.ingest.inbox.unknown(&ids).await?.into_iter().collect();
        let first = rows.iter().find(|row| unknown.contains(&row.message_id));
        Ok(first.and_then(|row| u64::try_from(row.stream_seq).ok()))
    }

    fn tell_rewound(&self, from: u64) {
        let (consumer, stream) = (self.ingest.inbox.consumer(), &self.ingest.subscription.stream);
        metric::stream_rewound_total(consumer.to_owned()).increment(1);
        let (recorded, source) = (self.continuity.recorded(), self.ingest.source());
        tracing::error!(
            consumer,
            stream,
            recorded,
            from,
            "the stream holds other messages than were recorded from it: it has lost what it had stored, and given those sequences out again; what it holds from there on is recorded; publish again what it lost from the outbox of its context: sea-mq replay --context {source}"
        );
    }
}
