//! Publishes events again, in order per aggregate, and writes their new places.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use sea_mq_failpoint::failpoint;
use sea_mq_outbox::{Claimed, Published};
use sea_mq_stream::{OutageKind, Outgoing, PublishError, StreamError};
use uuid::Uuid;

use super::line::Line;
use super::patience::{PATIENCE, PAUSE, patiently};
use super::progress::Progress;
use super::report::Report;
use super::window::Window;
use super::{AS_OPERATOR, Repair, broker_failure, database_failure};
use crate::failure::Failure;
use crate::output::complain;

/// Messages in flight.
const IN_FLIGHT: usize = 256;
/// Events in memory, those in flight included, and bytes of their payloads.
const ROWS: usize = 1024;
const BYTES: usize = 16 * 1024 * 1024;
/// Events read by one statement.
const FETCH: usize = 256;
/// Rows marked by one statement, and after what time there are fewer.
const MARK: usize = 500;
const MARK_AFTER: Duration = Duration::from_secs(1);

/// An event that was sent.
struct Flight {
    row: Claimed,
    ended: Ended,
}

/// What became of it.
enum Ended {
    /// Stored now.
    Stored(u64),
    /// Stored before, and still there.
    Held(u64),
    /// Its id is remembered; the message is not there any more.
    Remembered,
    Outage(OutageKind, String),
    Refused(String),
    /// It is not known.
    Unknown(StreamError),
}

/// One run over missing events.
pub(super) struct Sending<'a> {
    repair: &'a Repair,
    left: VecDeque<Uuid>,
    line: Line,
    window: Window,
    flights: FuturesUnordered<BoxFuture<'a, Flight>>,
    /// Stored and not yet marked; true: it had been stored before.
    to_mark: Vec<(Published, bool)>,
    mark_at: Instant,
    pace: Option<Pace>,
    /// Since when the broker takes nothing.
    trouble: Option<Instant>,
    stopped: Option<Failure>,
}

impl<'a> Sending<'a> {
    pub(super) fn new(repair: &'a Repair, rows: Vec<(i64, Uuid)>, rate: Option<u32>) -> Self {
        Self {
            repair,
            left: rows.into_iter().map(|(_, id)| id).collect(),
            line: Line::default(),
            window: Window::new(repair.facts.duplicate_window(), repair.began),
            flights: FuturesUnordered::new(),
            to_mark: Vec::new(),
            mark_at: Instant::now() + MARK_AFTER,
            pace: rate.map(Pace::new),
            trouble: None,
            stopped: None,
        }
    }

    /// Publishes them all, or stops with the reason in the report. What was stored is marked.
    pub(super) async fn run(mut self, report: &mut Report, progress: &mut Progress) {
        loop {
            if self.stopped.is_none() {
                self.fetch(report).await;
                self.send().await;
            }
            let is_over = self.line.rows() == 0 && self.left.is_empty();
            let at_rest = self.flights.is_empty() && (is_over || self.stopped.is_some());
            if self.to_mark.len() >= MARK || at_rest || Instant::now() >= self.mark_at {
                self.mark(report).await;
            }
            progress.tell(|| format!("published again: {} of {}", report.stored(), report.missing()));
            if self.flights.is_empty() && self.to_mark.is_empty() && (is_over || self.stopped.is_some()) {
                break;
            }
            let wake = self.wake_at(progress);
            tokio::select! {
                Some(flight) = self.flights.next() => self.landed(flight, report).await,
                () = tokio::time::sleep_until(wake.into()) => {}
            }
            while let Some(Some(flight)) = self.flights.next().now_or_never() {
                self.landed(flight, report).await;
            }
        }
        let (left, line) = (self.left.len(), self.line.rows());
        report.ended(left + line, self.stopped);
    }

    /// When to look again, if nothing lands before.
    fn wake_at(&self, progress: &Progress) -> Instant {
        let until = if self.to_mark.is_empty() { progress.at() } else { progress.at().min(self.mark_at) };
        if self.stopped.is_some() || self.flights.len() >= IN_FLIGHT {
            return until;
        }
        let now = Instant::now();
        let free = self.pace.as_ref().map_or(now, |pace| pace.next).max(now);
        let waiting = self.line.next_time().map(|at| at.max(free));
        let paced = Some(free).filter(|free| *free > now);
        waiting.into_iter().chain(paced).fold(until, Instant::min)
    }

    fn stop(&mut self, failure: Failure) {
        self.stopped.get_or_insert(failure);
    }

    /// Reads the next events, as far as there is room.
    async fn fetch(&mut self, report: &mut Report) {
        while !self.left.is_empty() && self.line.rows() + FETCH <= ROWS && self.line.bytes() < BYTES {
            let ids: Vec<Uuid> = self.left.iter().take(FETCH).copied().collect();
            let room = i64::try_from(BYTES - self.line.bytes()).unwrap_or(i64::MAX);
            let events = match self.repair.outbox.published_events(&ids, room).await {
                Ok(events) => events,
                Err(error) => return self.stop(database_failure(error)),
            };
            // What was cut off for its size is asked for again; without any, all of them are gone.
            let last = events.last().and_then(|last| ids.iter().position(|id| *id == last.id));
            let taken = last.map_or(ids.len(), |at| at + 1);
            self.left.drain(..taken);
            report.vanished(taken.saturating_sub(events.len()));
            for event in events {
                let id = event.id;
                if !self.line.push(event) {
                    report.left_out(&[id]);
                }
            }
        }
    }

    async fn send(&mut self) {
        while self.flights.len() < IN_FLIGHT {
            let now = Instant::now();
            if self.pace.as_ref().is_some_and(|pace| pace.next > now) {
                return;
            }
            let Some(row) = self.line.next(now) else { return };
            if let Some(pace) = &mut self.pace {
                pace.sent(now);
            }
            failpoint!("replay.send.before" => {
                self.outage(row, OutageKind::Disconnected, "failpoint", now);
                continue;
            });
            self.flights.push(fly(self.repair, row));
        }
    }

    async fn landed(&mut self, Flight { row, ended }: Flight, report: &mut Report) {
        let now = Instant::now();
        failpoint!("replay.ack.after" => return self.outage(row, OutageKind::Disconnected, "failpoint", now));
        match ended {
            Ended::Stored(sequence) => self.stored(&row, sequence, false),
            Ended::Held(sequence) => self.stored(&row, sequence, true),
            Ended::Remembered => self.remembered(row, now),
            Ended::Outage(kind, detail) => self.outage(row, kind, &detail, now),
            Ended::Unknown(error) => {
                self.line.again(row, now + PAUSE);
                self.stop(broker_failure(error));
            }
            Ended::Refused(reason) => {
                let behind = self.line.give_up(&row);
                report.refused(row.id, reason);
                report.left_out(&behind);
            }
        }
    }

    fn stored(&mut self, row: &Claimed, sequence: u64, before: bool) {
        self.trouble = None;
        self.window.stored(row.id);
        self.line.done(row);
        let stream_seq = i64::try_from(sequence).unwrap_or(i64::MAX);
        self.to_mark.push((Published { id: row.id, stream_seq, attempts: 1 }, before));
    }

    /// The stream has not stored it, and will not until it has forgotten its id.
    fn remembered(&mut self, row: Claimed, now: Instant) {
        self.trouble = None;
        let stream = &self.repair.stream;
        match self.window.again_at(&row, now) {
            Some(at) => {
                self.window.tell(stream, at, now);
                self.line.again(row, at);
            }
            None => {
                let failure = Failure::failed(format!(
                    "{stream} answers \"duplicate\" for event {} and does not hold it, for longer than its duplicate window of {:?}; is somebody purging it? run the command again",
                    row.id,
                    self.window.length()
                ));
                self.line.again(row, now);
                self.stop(failure);
            }
        }
    }

    fn outage(&mut self, row: Claimed, kind: OutageKind, detail: &str, now: Instant) {
        self.line.again(row, now + PAUSE);
        let text = format!("the broker does not take events: {kind}: {detail}");
        match kind {
            OutageKind::PermissionDenied => {
                self.stop(Failure::not_permitted(format!("{text}; {AS_OPERATOR}")));
            }
            OutageKind::StreamFull | OutageKind::StreamMissing | OutageKind::WrongStream => {
                self.stop(Failure::failed(text));
            }
            OutageKind::Timeout
            | OutageKind::NoResponders
            | OutageKind::Unavailable
            | OutageKind::Disconnected
            | OutageKind::Other => {
                if self.trouble.is_none() {
                    complain(&format!("{text}; trying again for {PATIENCE:?}"));
                }
                if now > *self.trouble.get_or_insert(now) + PATIENCE {
                    self.stop(Failure::unreachable(text));
                }
            }
        }
    }

    /// Writes the new places, if the stream is still the one that it was at the beginning.
    async fn mark(&mut self, report: &mut Report) {
        let group = std::mem::take(&mut self.to_mark);
        self.mark_at = Instant::now() + MARK_AFTER;
        if group.is_empty() {
            return;
        }
        let Repair { broker, outbox, stream, facts, .. } = self.repair;
        match patiently(|| broker.stream_info(stream)).await {
            Ok(now) if now.created == facts.created => report.begins_at(now.first_seq()),
            Ok(_another) => {
                return self.stop(Failure::failed(format!(
                    "stream {stream} was recreated while events were published to it again: run the command again"
                )));
            }
            Err(error) => return self.stop(broker_failure(error)),
        }
        let rows: Vec<Published> = group.iter().map(|(row, _)| *row).collect();
        if let Err(error) = outbox.mark_republished(stream, facts.created, &rows).await {
            return self.stop(database_failure(error));
        }
        failpoint!("replay.mark.after" => return self.stop(Failure::failed("failpoint")));
        report.marked(&group);
    }
}

/// Sends an event, and finds out what a "duplicate" is worth.
fn fly(repair: &Repair, row: Claimed) -> BoxFuture<'_, Flight> {
    let message = Outgoing {
        subject: row.subject.clone(),
        message_id: row.id.to_string(),
        headers: row.headers(),
        payload: Bytes::copy_from_slice(row.payload.as_bytes()),
    };
    let ack = repair.broker.publish(&repair.stream, message);
    Box::pin(async move {
        let ended = match ack.await {
            Ok(stored) if !stored.duplicate => Ended::Stored(stored.sequence),
            Ok(stored) => look_for(repair, stored.sequence, &row).await,
            Err(PublishError::Outage { kind, detail }) => Ended::Outage(kind, detail),
            Err(PublishError::Refused { reason }) => Ended::Refused(reason),
        };
        Flight { row, ended }
    })
}

async fn look_for(repair: &Repair, sequence: u64, row: &Claimed) -> Ended {
    // What lies before the stream's beginning does not come back.
    if sequence < repair.facts.first_seq() {
        return Ended::Remembered;
    }
    let id = row.id.to_string();
    match patiently(|| repair.broker.holds(&repair.stream, sequence, &id)).await {
        Ok(true) => Ended::Held(sequence),
        Ok(false) => Ended::Remembered,
        Err(error) => Ended::Unknown(error),
    }
}

/// How fast events may go out.
struct Pace {
    every: Duration,
    next: Instant,
}

impl Pace {
    fn new(rate: u32) -> Self {
        Self { every: Duration::from_secs(1) / rate.max(1), next: Instant::now() }
    }

    fn sent(&mut self, now: Instant) {
        self.next = self.next.max(now) + self.every;
    }
}
