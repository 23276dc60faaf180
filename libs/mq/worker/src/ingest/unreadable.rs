//! Messages whose headers the client library cannot read. Whoever is sent one loses the connection, so
//! they never arrive: they are looked for among what was delivered and not acknowledged, read one by one,
//! and recorded in their place as dead letters to be.

use std::collections::HashSet;

use sea_mq_stream::{AckToken, StreamError, UnreadableMessage};

use super::{PAGE, Session, SessionError};
use crate::leases::in_one_line;

impl Session<'_> {
    /// Once at the beginning, and after each loss of the connection.
    ///
    /// A subscription to a part of a stream has no right to read single messages, which may be others': it
    /// stands still before such a message, and names it.
    pub(super) async fn pass_unreadable(&mut self) -> Result<(), SessionError> {
        let connects = self.ingest.broker.watch().borrow().connects;
        if self.looked_through == Some(connects) || !self.account.is_whole() {
            return Ok(());
        }
        let before = self.continuity.recorded();
        let found = self.unreadable(before).await?;
        if let Some(last) = found.last() {
            // The broker may have spoken of another stream of that name.
            self.check_incarnation().await?;
            let read = self.read_singly(last.stream_seq).await?;
            let is_recorded = |seq: u64| seq <= before || read.contains(&seq);
            self.pass(found.into_iter().filter(|message| is_recorded(message.stream_seq)).collect()).await;
        }
        self.looked_through = Some(connects);
        Ok(())
    }

    /// Tells of them and acknowledges them: they are recorded.
    async fn pass(&self, found: Vec<UnreadableMessage>) {
        let s = &self.ingest.subscription;
        for UnreadableMessage { stream_seq, why } in &found {
            tracing::error!(
                consumer = self.ingest.inbox.consumer(),
                stream = s.stream,
                stream_seq,
                why,
                "a message breaks the connection each time that it is delivered: it is dead-lettered as malformed"
            );
        }
        let token = |message: &UnreadableMessage| AckToken::of(&s.stream, &s.durable, message.stream_seq);
        let tokens: Vec<_> = found.iter().map(token).collect();
        // An ack that is lost brings the message again, and that another loss of the connection.
        if let Err(error) = self.durable.ack(&tokens).await {
            tracing::debug!(error = in_one_line(&error), "acks were not sent; the messages come again");
        }
    }

    async fn unreadable(&self, recorded: u64) -> Result<Vec<UnreadableMessage>, SessionError> {
        let s = &self.ingest.subscription;
        match self.ingest.broker.unreadable(&s.stream, &s.durable, &s.subject, recorded).await {
            // Nothing is wrong yet: it is told, and what can be received is.
            Err(denied @ StreamError::Denied { .. }) => {
                tracing::warn!(
                    consumer = self.ingest.inbox.consumer(),
                    why = in_one_line(&denied),
                    "a message whose headers are broken would stop this consumer"
                );
                Ok(Vec::new())
            }
            found => Ok(found?),
        }
    }

    /// Records everything up to `last` in its order, and says what that was.
    pub(super) async fn read_singly(&mut self, last: u64) -> Result<HashSet<u64>, SessionError> {
        let (mut read, mut next) = (HashSet::new(), self.continuity.recorded() + 1);
        while next <= last {
            let s = &self.ingest.subscription;
            let range = self.ingest.broker.read_singly(&s.stream, &s.subject, next, last, PAGE).await?;
            read.extend(range.messages.iter().map(|message| message.stream_seq));
            next = self.record_range(range, next, last).await? + 1;
        }
        Ok(read)
    }
}
