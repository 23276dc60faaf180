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
use sea_mq_stream::{StreamError, StreamFacts};
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
        let (stream, contracts) = (&self.ingest.subscription.stream, &self.ingest.contracts);
        let messages = match self.ingest.broker.read_at_once(stream, from, to).await {
            // The permission is newer than the subscription.
            Err(error @ StreamError::Denied { .. }) => {
                tracing::warn!(
                    why = in_one_line(&error),
                    "the stream's end cannot be compared with the inbox"
                );
                return Ok(None);
            }
            messages => messages?,
        };
        let horizon = OffsetDateTime::from(wall_clock()) - REMEMBERED;
        let recent = messages.into_iter().filter(|message| message.published_at > horizon);
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
