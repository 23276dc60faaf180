//! Ingest: parts of the stream, in order, each from what is acknowledged on or from before it.

use bytes::Bytes;
use sea_mq_event::inbox_lane;
use sea_mq_inbox::{Arrival, Ingest};
use time::OffsetDateTime;

use crate::errand::Errand;
use crate::schedule::{Style, When};
use crate::worker::Life;
use crate::world::{Checked, World};

impl World<'_> {
    pub async fn record(
        &mut self,
        worker: usize,
        back: u8,
        count: u8,
        start: Option<Style>,
        when: When,
    ) -> Checked {
        let ingests = |worker: usize| self.workers[worker].life.as_ref().is_some_and(|l| l.ingest.is_some());
        let worker = self.whoever(worker, ingests);
        let Some(life) = self.workers[worker].life.clone() else { return Ok(()) };
        let Some(epoch) = life.ingest else { return Ok(()) };
        let from = self.acked.saturating_sub(back.into());
        let to = (from + usize::from(count)).min(self.stream.len());
        if from == to {
            return Ok(());
        }
        let group = self.group(worker, &life, from..to, start.is_some());
        let ingest = Ingest {
            instance: life.instance,
            epoch,
            stream: "YOU_EVENTS".to_owned(),
            incarnation: OffsetDateTime::UNIX_EPOCH,
            recorded_seq: i64::try_from(to).unwrap(),
        };
        let by = self.caller(worker, &life);
        self.send(Errand::Record { by, ingest, group, start }, when).await
    }

    /// The messages of a part of the stream. The first of an aggregate of which nothing is open may be
    /// recorded as started.
    fn group(&self, worker: usize, life: &Life, part: std::ops::Range<usize>, start: bool) -> Vec<Arrival> {
        let process = self.workers[worker].process;
        let own = |errand: &&Errand| errand.by().worker == worker && errand.by().process == process;
        let mut busy: Vec<u8> =
            self.late.iter().filter(own).flat_map(Errand::starts).map(|id| self.aggregate_of(id)).collect();
        busy.extend(self.rows.iter().filter(|row| !row.is_finished()).map(|row| row.aggregate));
        let mut group = Vec::new();
        for place in part {
            let event = &self.events[self.stream[place]];
            let is_known = self.rows.iter().any(|row| row.id == event.id);
            let mut arrival = self.arrival(place);
            arrival.start =
                start && !is_known && !busy.contains(&event.aggregate) && life.lanes.contains(&arrival.lane);
            busy.push(event.aggregate);
            group.push(arrival);
        }
        group
    }

    fn arrival(&self, place: usize) -> Arrival {
        let number = self.stream[place];
        let (message_id, aggregate) = (self.events[number].id, &self.names.aggregates[number]);
        Arrival {
            message_id,
            subject: "you.event.case_opened.v1".to_owned(),
            event_type: Some("case_opened".to_owned()),
            event_version: Some(1),
            aggregate_type: Some("case".to_owned()),
            aggregate_id: Some(aggregate.clone()),
            lane: inbox_lane(Some("case"), Some(aggregate), message_id),
            stream_seq: i64::try_from(place + 1).unwrap(),
            headers: Vec::new(),
            body: Bytes::from_static(b"{}"),
            unusable: None,
            start: false,
        }
    }
}
