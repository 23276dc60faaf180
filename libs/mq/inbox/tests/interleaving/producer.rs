//! Applications that commit their events, and the publisher that brings them into the stream.

use sea_mq_outbox::{Cursor, NewEvent, Published, emit};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::schedule::End;
use crate::world::{Checked, Event, Fate, World, pick};

/// More are not needed to meet each other.
const MOST_EVENTS: usize = 5;
const MOST_IN_STREAM: usize = 16;

impl World<'_> {
    pub async fn produce(&mut self, aggregate: u8, poison: bool, end: End) {
        let aggregate = aggregate % self.plan.aggregates;
        // An application serialises the writers of one aggregate: here, by leaving it alone.
        let busy = |event: &Event| event.aggregate == aggregate && event.fate == Fate::Open;
        if self.events.len() == MOST_EVENTS || self.events.iter().any(busy) {
            return;
        }
        let (number, id) = (self.events.len(), Uuid::new_v4());
        let name = format!("{}-{aggregate}", self.names.consumer);
        let mut session = self.arena.session().await;
        sqlx::raw_sql("BEGIN").execute(&mut session.connection).await.unwrap();
        let event = NewEvent {
            id,
            subject: format!("{}.event.case_opened.v1", self.names.context),
            aggregate_type: Some("case".to_owned()),
            aggregate_id: Some(name.clone()),
            ..NewEvent::default()
        };
        emit(&mut session.connection, &event).await.unwrap();
        self.say(format!("an application emits event {number} of aggregate {aggregate}, poison: {poison}"));
        self.events.push(Event { id, aggregate, poison, fate: Fate::Open });
        self.names.aggregates.push(name);
        self.producers.push((session, number));
        let last = self.producers.len() - 1;
        match end {
            End::Commit => self.end_at(last, true).await,
            End::RollBack => self.end_at(last, false).await,
            End::LeaveOpen => {}
        }
    }

    pub async fn end_producer(&mut self, number: u8, commit: bool) {
        let open: Vec<usize> = (0..self.producers.len()).collect();
        if let Some(index) = pick(&open, number) {
            self.end_at(index, commit).await;
        }
    }

    async fn end_at(&mut self, index: usize, commit: bool) {
        let (mut session, event) = self.producers.remove(index);
        let (sql, fate) = if commit { ("COMMIT", Fate::Committed) } else { ("ROLLBACK", Fate::RolledBack) };
        sqlx::raw_sql(sql).execute(&mut session.connection).await.unwrap();
        self.arena.give_back(session);
        self.events[event].fate = fate;
        self.say(format!("event {event}: {sql}"));
    }

    /// Publishes what is ready, in order. Without the mark, the next publishes it again.
    pub async fn publish(&mut self, mark: bool) -> Checked {
        let all: Vec<Cursor> = (0..32).map(|lane| Cursor { lane, after: 0 }).collect();
        let claimed = self.outbox.claim(&all, 100, i64::MAX).await.map_err(|error| format!("{error:?}"))?;
        let mut published = Vec::new();
        for row in claimed {
            let Some(event) = self.events.iter().position(|event| event.id == row.id) else { continue };
            if self.events[event].fate != Fate::Committed {
                return Err(format!("event {event} is published and not committed"));
            }
            if !mark && self.stream.len() >= MOST_IN_STREAM {
                continue;
            }
            self.stream.push(event);
            let stream_seq = i64::try_from(self.stream.len()).unwrap();
            published.push(Published { id: row.id, stream_seq, attempts: 1 });
        }
        if mark {
            let marked = self.outbox.mark_published("ME", OffsetDateTime::UNIX_EPOCH, &published).await;
            marked.map_err(|error| format!("{error:?}"))?;
        }
        if !published.is_empty() {
            self.say(format!("published, marked: {mark}; the stream is {:?}", self.stream));
        }
        Ok(())
    }
}
