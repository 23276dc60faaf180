//! Writes groups into the inbox, and hands what is new to dispatch.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use sea_mq_inbox::{Arrival, Attempt, Recorded, RecordedRow};
use sea_mq_observe::metric;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Ingest;
use super::arrival::{bare, first_attempt, queued};
use crate::dispatch::Reserved;
use crate::leases::in_one_line;

const AGAIN: Duration = Duration::from_millis(250);

/// What became of a group.
pub(super) enum Recording {
    /// Committed; so many were new and wait for their turn.
    Done { ready: usize },
    /// Nothing was written.
    LeaseLost,
}

/// The right to record, for one session.
pub(super) struct Recorder<'a> {
    ingest: &'a Ingest,
    right: sea_mq_inbox::Ingest,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(ingest: &'a Ingest, instance: Uuid, epoch: i64, incarnation: OffsetDateTime) -> Self {
        let stream = ingest.subscription.stream.clone();
        let right = sea_mq_inbox::Ingest { instance, epoch, stream, incarnation, recorded_seq: 0 };
        Self { ingest, right }
    }

    /// Records a group, however long the database takes. A message that it refuses is recorded bare,
    /// as a dead letter to be; so the group is always committed whole.
    pub(super) async fn record(&mut self, mut group: Vec<Arrival>, upto: i64) -> Recording {
        self.right.recorded_seq = upto;
        let mut seen = HashSet::new();
        group.retain(|row| seen.insert(row.message_id));
        self.reserve(&mut group);
        let mut tries = 0;
        let reserved: HashSet<Uuid> =
            group.iter().filter(|row| row.start).map(|row| row.message_id).collect();
        loop {
            match self.ingest.inbox.record(&self.right, &group).await {
                Ok(Recorded::New(new)) => {
                    if tries > 0 {
                        // An earlier try may have recorded rows that this one knows as duplicates.
                        self.ingest.shared.book().look_again();
                    }
                    return self.recorded(group, &new, &reserved);
                }
                Ok(Recorded::LeaseLost) => return self.lost(&reserved),
                Err(error) if error.refuses_data() => {
                    group = self.without_refused(group).await;
                }
                Err(error) => {
                    tracing::warn!(
                        consumer = self.ingest.inbox.consumer(),
                        error = in_one_line(&error),
                        "waiting for the database: nothing is acked before it is recorded"
                    );
                    tokio::time::sleep(AGAIN).await;
                }
            }
            // The failed try may have been committed all the same: what it started is found out.
            tries += 1;
            for row in &mut group {
                row.start = false;
            }
        }
    }

    /// Marks the rows that dispatch can start at once: their first attempt is recorded with them.
    fn reserve(&self, group: &mut [Arrival]) {
        let now = Instant::now();
        let mut book = self.ingest.shared.book();
        let mut passed_over = HashSet::new();
        for row in group.iter_mut().filter(|row| row.unusable.is_none()) {
            let row_in_line = queued(row, i64::MAX);
            // Once an event of an aggregate has to wait, so do those after it.
            row.start = !passed_over.contains(&row_in_line.key) && book.reserve(&row_in_line, now);
            if !row.start {
                passed_over.insert(row_in_line.key);
            }
        }
    }

    fn lost(&self, reserved: &HashSet<Uuid>) -> Recording {
        let mut book = self.ingest.shared.book();
        for id in reserved {
            book.unreserve(*id);
        }
        Recording::LeaseLost
    }

    fn recorded(&self, group: Vec<Arrival>, new: &[RecordedRow], reserved: &HashSet<Uuid>) -> Recording {
        let consumer = self.ingest.inbox.consumer();
        metric::inbox_recorded_total(consumer.to_owned()).increment(count(new.len()));
        metric::inbox_duplicates_total(consumer.to_owned())
            .increment(count(group.len() - new.len().min(group.len())));
        let places: HashMap<Uuid, i64> = new.iter().map(|row| (row.message_id, row.pos)).collect();
        let (mut started, mut ready, mut doubtful) = (Vec::new(), Vec::new(), Vec::new());
        {
            let mut book = self.ingest.shared.book();
            for row in group {
                let (id, was_reserved) = (row.message_id, reserved.contains(&row.message_id));
                match places.get(&id) {
                    Some(pos) if row.start => {
                        book.placed(id, *pos);
                        started.push(first_attempt(row));
                    }
                    // It was refused, and is recorded bare.
                    Some(_) if was_reserved && row.unusable.is_some() => book.finished(id),
                    Some(pos) if was_reserved => {
                        book.placed(id, *pos);
                        book.requeue(id);
                    }
                    Some(pos) if row.unusable.is_none() => ready.push(queued(&row, *pos)),
                    // It is dying: its letter is sent by the lane's owner.
                    Some(_) => {}
                    None if row.start => book.finished(id),
                    None if was_reserved => doubtful.push(id),
                    None => {}
                }
            }
            book.recorded(ready);
        }
        let ready = new.len() - started.len().min(new.len());
        self.hand_over(started, doubtful);
        Recording::Done { ready }
    }

    fn hand_over(&self, started: Vec<Attempt>, doubtful: Vec<Uuid>) {
        if !started.is_empty() || !doubtful.is_empty() {
            // Dispatch outlives ingest; were it gone, these attempts would be found open.
            let _ = self.ingest.reserved.send(Reserved { instance: self.right.instance, started, doubtful });
        }
        self.ingest.shared.wake.notify_one();
    }

    /// Finds the messages that the database refuses, by halving, and makes them bare. Each half that
    /// it takes is committed here already; the whole group is then said once more, as duplicates.
    async fn without_refused(&self, mut group: Vec<Arrival>) -> Vec<Arrival> {
        // The recorded sequence must not pass a message that is not recorded.
        let right = sea_mq_inbox::Ingest { recorded_seq: 0, ..self.right.clone() };
        let mut parts: Vec<_> = std::iter::once(0..group.len()).collect();
        while let Some(part) = parts.pop() {
            let mut rows = group[part.clone()].to_vec();
            for row in &mut rows {
                row.start = false;
            }
            let Err(error) = self.ingest.inbox.record(&right, &rows).await else { continue };
            if !error.refuses_data() {
                // The order of recording is the stream's: nothing later may go first.
                return group;
            }
            if part.len() > 1 {
                let middle = part.start + part.len() / 2;
                parts.extend([middle..part.end, part.start..middle]);
                continue;
            }
            let why = in_one_line(&error);
            tracing::error!(message_id = %group[part.start].message_id, consumer = self.ingest.inbox.consumer(), why,
                "the inbox refuses a message: it is dead-lettered as malformed");
            group[part.start] = bare(&group[part.start], &why);
        }
        group
    }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
