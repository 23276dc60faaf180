//! A stream that has given sequences out twice.
//!
//! A broker that loses what it had stored (a restored backup, a power cut without fsync, a full disk on some
//! server lines) goes on from an earlier sequence, or gives the same message another one, and its creation time
//! stays. Then what lies below the recorded sequence is not all recorded. So whoever begins with a stream, or
//! finds that another server leads it, compares its end with the inbox: from the first message on that is not
//! known, it is read once more.

use std::collections::HashSet;
use std::time::Duration;

use sea_mq_failpoint::wall_clock;
use sea_mq_observe::metric;
use sea_mq_stream::{Leadership, RangeMessage, StreamError, StreamFacts};
use time::OffsetDateTime;

use super::arrival::{Incoming, arrival};
use super::continuity::Continuity;
use super::{PAGE, Session, SessionError};

/// Messages that are compared at a time; those before them when something was new among them.
const COMPARED: u64 = 20;
/// The inbox may have forgotten older ones, which would be handled once more.
const REMEMBERED: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Up to where what is recorded was compared, and under which leader of the stream.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// The ownership of the durable and the stream's incarnation that this is true of.
    of: Option<(i64, OffsetDateTime)>,
    leadership: Option<Leadership>,
    upto: u64,
}

impl Compared {
    /// A session after an interrupted one goes on from what that has compared; another owner, who does not
    /// know how far his predecessor came, from what is recorded.
    pub(super) fn begin(&mut self, of: (i64, OffsetDateTime), recorded: u64) {
        if self.of != Some(of) {
            *self = Self { of: Some(of), leadership: None, upto: recorded };
        }
    }
}

impl Session<'_> {
    /// A new leader may hold other messages than were recorded from the former, whose connection and whose
    /// consumers go on.
    pub(super) async fn compare_under_a_new_leader(
        &mut self,
        facts: &StreamFacts,
    ) -> Result<(), SessionError> {
        if facts.leadership != self.compared.leadership {
            return self.look_back(facts).await;
        }
        self.compared.upto = self.continuity.recorded();
        Ok(())
    }

    /// Compares the messages up to what is recorded with the inbox: all since it was compared last, and as far
    /// back as there is something new. Records that.
    pub(super) async fn look_back(&mut self, facts: &StreamFacts) -> Result<(), SessionError> {
        let recorded = self.continuity.recorded();
        let end = recorded.min(facts.last_seq());
        if end < recorded {
            // What was recorded above the stream's end is not there any more: other messages will be.
            self.continuity = Continuity::from(end);
            self.account.end_at(end);
        }
        let first = facts.first_seq().max(1);
        let (mut last, mut unknown) = (end, None);
        while first <= last {
            let from = last.saturating_sub(COMPARED - 1).max(first);
            let lowest = self.lowest_unknown(from, last).await?;
            if lowest.is_none() && from <= self.compared.upto {
                break;
            }
            (unknown, last) = (lowest.or(unknown), from - 1);
        }
        if let Some(lowest) = unknown {
            self.tell_rewound(lowest, recorded);
            self.continuity = Continuity::from(lowest - 1);
            self.read_again(end).await?;
        }
        self.compared.leadership = facts.leadership.clone();
        self.compared.upto = self.continuity.recorded();
        Ok(())
    }

    /// The lowest sequence of a part of the stream whose message the inbox does not know.
    async fn lowest_unknown(&self, from: u64, to: u64) -> Result<Option<u64>, SessionError> {
        let (stream, contracts) = (&self.ingest.subscription.stream, &self.ingest.contracts);
        let horizon = OffsetDateTime::from(wall_clock()) - REMEMBERED;
        let messages = self.stored_between(from, to).await?;
        let recent = messages.into_iter().filter(|message| message.published_at > horizon);
        let rows: Vec<_> =
            recent.map(|m| arrival(Incoming::from(m), stream, self.incarnation, contracts)).collect();
        let ids: Vec<_> = rows.iter().map(|row| row.message_id).collect();
        let unknown: HashSet<_> = self.ingest.inbox.unknown(&ids).await?.into_iter().collect();
        let first = rows.iter().find(|row| unknown.contains(&row.message_id));
        Ok(first.and_then(|row| u64::try_from(row.stream_seq).ok()))
    }

    /// Who takes a part of a stream may not read single messages, but what of it is his.
    async fn stored_between(&self, from: u64, to: u64) -> Result<Vec<RangeMessage>, SessionError> {
        let s = &self.ingest.subscription;
        let broker = &self.ingest.broker;
        if self.account.is_whole() {
            match broker.read_at_once(&s.stream, from, to).await {
                // The permission is newer than the subscription.
                Err(StreamError::Denied { .. }) => {}
                messages => return Ok(messages?),
            }
        }
        let (mut messages, mut next) = (Vec::new(), from);
        while next <= to {
            let range = broker.read_range(&s.stream, &s.durable, &s.subject, next, to, PAGE).await?;
            next = range.reaches(next, to) + 1;
            messages.extend(range.messages);
        }
        Ok(messages)
    }

    async fn read_again(&mut self, last: u64) -> Result<(), SessionError> {
        let next = self.continuity.recorded() + 1;
        if self.account.is_whole() {
            match self.read_singly(last).await {
                Err(SessionError::Stream(StreamError::Denied { .. })) => {}
                read => return read.map(drop),
            }
        }
        self.read_range(next, last).await
    }

    fn tell_rewound(&self, from: u64, recorded: u64) {
        let (consumer, stream) = (self.ingest.inbox.consumer(), &self.ingest.subscription.stream);
        metric::stream_rewound_total(consumer.to_owned()).increment(1);
        let source = self.ingest.source();
        tracing::error!(
            consumer,
            stream,
            recorded,
            from,
            "the stream holds other messages than were recorded from it: it has lost what it had stored, and given those sequences out again; what it holds from there on is recorded; publish again what it lost from the outbox of its context: sea-mq replay --context {source}"
        );
    }
}
