//! Ingest: stream → inbox. Records whole messages in stream order, and acks what is committed.
//!
//! One instance per durable at a time, by lease. Never a negative ack, never an ack before the
//! commit. What the durable does not deliver (stranded by a crash, deliveries used up, acked by
//! nobody) is read from the stream itself, before anything newer.

mod arrival;
mod continuity;
mod dropped;
mod looking_back;
mod recorder;
mod spans;
mod unreadable;
mod window;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sea_mq_config::Subscription;
use sea_mq_contracts::Contracts;
use sea_mq_failpoint::failpoint;
use sea_mq_inbox::{Inbox, InboxError};
use sea_mq_lease::Lease;
use sea_mq_observe::{Health, Status, metric};
use sea_mq_stream::{Broker, Delivery, Durable, PullError, Range, StreamError, StreamFacts};
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::dispatch::{Reserved, Shared};
use crate::leases::{Leases, in_one_line, is_valid};
#[cfg(debug_assertions)]
use crate::lost;
use arrival::{Incoming, arrival};
use continuity::{Before, Continuity};
use dropped::{Account, Past};
use looking_back::Compared;
use recorder::{Recorder, Recording};
use window::Window;

/// How long one wait for messages takes; twice in a row without any, the durable is looked at.
const WAIT: Duration = Duration::from_secs(1);
/// Messages read from the stream at a time.
const PAGE: usize = 500;
/// How often the stream's incarnation is looked at.
const STREAM_EVERY: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(500);
/// How often newer messages are looked for while the durable goes through what is recorded.
const AHEAD_EVERY: Duration = Duration::from_millis(500);
/// Until so many that start at once are worth a statement is waited, for so long.
const PACE_WITHIN: Duration = Duration::from_millis(25);

/// What ingest of one subscription works with.
pub(crate) struct Ingest {
    pub(crate) inbox: Inbox,
    pub(crate) broker: Broker,
    pub(crate) subscription: Subscription,
    pub(crate) contracts: Contracts,
    pub(crate) leases: Leases,
    pub(crate) health: Health,
    pub(crate) shared: Arc<Shared>,
    pub(crate) reserved: mpsc::UnboundedSender<Reserved>,
    /// The incarnation that was told of as new: until something of it is recorded it is new each time.
    pub(crate) told_of: Mutex<Option<OffsetDateTime>>,
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
enum SessionError {
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error(transparent)]
    Pull(#[from] PullError),
    #[error(transparent)]
    Inbox(#[from] InboxError),
    #[error("the stream was recreated")]
    NewIncarnation,
    #[error("the ingest lease is somebody else's")]
    LeaseLost,
}

/// One ownership of the durable, of one incarnation of its stream.
struct Session<'a> {
    ingest: &'a Ingest,
    durable: Durable,
    recorder: Recorder<'a>,
    incarnation: OffsetDateTime,
    continuity: Continuity,
    account: Account,
    window: Window,
    idle: u32,
    stream_at: Instant,
    /// When to look for newer messages, while the durable goes through what is recorded.
    ahead_at: Option<Instant>,
    /// The connection over which it was looked for messages that break it.
    looked_through: Option<u64>,
    compared: &'a mut Compared,
}

impl Ingest {
    /// Ingests until `stop`, whenever the lease is held.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let pulse = self.health.pulse(&format!("ingest {}", self.inbox.consumer()), Duration::from_secs(120));
        let mut leases = self.leases.clone();
        let mut compared = Compared::default();
        while !stop.is_cancelled() {
            pulse.beat();
            let Some((instance, lease)) = self.lease() else {
                // Another instance ingests; that is well.
                self.health.set(&self.check(), Status::Up);
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = leases.changed() => {}
                    () = tokio::time::sleep(WAIT) => {}
                }
                continue;
            };
            let ended = self.session(instance, &lease, &mut compared, &stop, &pulse).await;
            self.shared.records_here.store(false, Ordering::Release);
            if let Err(error) = ended {
                self.report(&error);
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(AGAIN) => {}
                }
            }
        }
        pulse.retire();
    }

    fn check(&self) -> String {
        format!("consumer {}", self.inbox.consumer())
    }

    fn lease(&self) -> Option<(Uuid, Lease)> {
        let holdings = self.leases.now();
        let lease = holdings.of(self.inbox.ingest_role()).next().cloned();
        lease.filter(|_| is_valid(&holdings)).map(|lease| (holdings.instance, lease))
    }

    fn report(&self, error: &SessionError) {
        let consumer = self.inbox.consumer();
        match error {
            SessionError::LeaseLost => tracing::info!(consumer, "another instance ingests now"),
            SessionError::NewIncarnation => {}
            SessionError::Stream(_) | SessionError::Pull(_) | SessionError::Inbox(_) => {
                let why = in_one_line(error);
                tracing::warn!(consumer, why, "ingest waits");
                self.health.set(&self.check(), Status::down(why));
            }
        }
    }

    async fn session(
        &self,
        instance: Uuid,
        lease: &Lease,
        compared: &mut Compared,
        stop: &CancellationToken,
        pulse: &sea_mq_observe::Pulse,
    ) -> Result<(), SessionError> {
        let mut session = self.begin(instance, lease, compared).await?;
        self.shared.book().look_again();
        self.shared.records_here.store(true, Ordering::Release);
        self.health.set(&self.check(), Status::Up);
        while !stop.is_cancelled() {
            pulse.beat();
            match self.lease() {
                Some((now, held)) if now == instance && held.epoch == lease.epoch => {}
                Some(_) | None => return Err(SessionError::LeaseLost),
            }
            session.turn(stop).await?;
        }
        Ok(())
    }

    /// Once for each.
    fn tells_of(&self, incarnation: OffsetDateTime) -> bool {
        let mut told_of = self.told_of.lock().unwrap_or_else(PoisonError::into_inner);
        told_of.replace(incarnation) != Some(incarnation)
    }

    async fn begin<'a>(
        &'a self,
        instance: Uuid,
        lease: &Lease,
        compared: &'a mut Compared,
    ) -> Result<Session<'a>, SessionError> {
        failpoint!("ingest.take_over.before", lost::to_broker("taking over").into());
        let stream = &self.subscription.stream;
        let facts = self.broker.stream_info(stream).await?;
        let incarnation = micros(facts.created);
        let known = self.inbox.incarnations(stream).await?;
        let (past, recorded) = Past::of(&known, incarnation);
        compared.begin((lease.epoch, incarnation), recorded);
        if past == Past::Recreated && self.tells_of(incarnation) {
            self.tell_recreated(incarnation);
        }
        let durable = self.broker.durable(stream, &self.subscription.durable).await?;
        tracing::info!(consumer = self.inbox.consumer(), stream, recorded, epoch = lease.epoch, "ingesting");
        let recorder = Recorder::new(self, instance, lease.epoch, incarnation);
        let mut session = Session {
            ingest: self,
            durable,
            recorder,
            incarnation,
            continuity: Continuity::from(recorded),
            account: Account::new(facts.is_taken_whole_by(&self.subscription.subject), recorded),
            window: Window::new(self.subscription.inbox_window, self.subscription.inbox_waiting_max),
            // What a predecessor was sent and did not record is looked for after one empty wait.
            idle: 1,
            stream_at: Instant::now() + STREAM_EVERY,
            ahead_at: None,
            looked_through: None,
            compared,
        };
        session.settle_beginning(past, &facts).await?;
        session.look_back(&facts).await?;
        Ok(session)
    }
}

impl Session<'_> {
    /// One group: wait for room, pull, record, ack.
    async fn turn(&mut self, stop: &CancellationToken) -> Result<(), SessionError> {
        if Instant::now() >= self.stream_at {
            self.look_at_stream().await?;
        }
        self.pass_unreadable().await?;
        let room = self.room().await?;
        if room == 0 {
            // Not pulling is the signal: the backlog shows as the durable's lag.
            tokio::time::sleep(Duration::from_millis(20)).await;
            return Ok(());
        }
        let batch = self.ingest.subscription.batch_size.min(room);
        // What is recorded already starts nothing.
        let want = if self.ahead_at.is_some() { batch } else { self.paced(batch).await };
        if want == 0 {
            return Ok(());
        }
        // Only the waiting is cut short by a stop: what has arrived is recorded and acked.
        let group = tokio::select! {
            group = self.durable.next_group(want, batch, WAIT) => group?,
            () = stop.cancelled() => return Ok(()),
        };
        if group.is_empty() {
            self.idle += 1;
            return if self.idle >= 2 { self.look_for_stranded().await } else { Ok(()) };
        }
        self.idle = 0;
        let recorded = self.continuity.recorded();
        let is_behind =
            group.iter().all(|delivery| delivery.delivered == 1 && delivery.stream_seq <= recorded);
        self.record(group).await?;
        if is_behind {
            return self.read_ahead().await;
        }
        self.ahead_at = None;
        Ok(())
    }

    /// A durable that was made anew delivers all that the stream holds once more. What is newer than what is
    /// recorded does not wait for that: it is read from the stream, now and then.
    async fn read_ahead(&mut self) -> Result<(), SessionError> {
        let is_first = self.ahead_at.is_none();
        if self.ahead_at.is_some_and(|at| Instant::now() < at) {
            return Ok(());
        }
        let read = self.read_newer(is_first).await;
        self.ahead_at = Some(Instant::now() + AHEAD_EVERY);
        match read {
            // What the durable delivers goes on meanwhile.
            Err(SessionError::Stream(error)) => {
                tracing::debug!(
                    error = in_one_line(&error),
                    "what is newer could not be read; it is tried again"
                );
                Ok(())
            }
            read => read,
        }
    }

    async fn read_newer(&mut self, is_first: bool) -> Result<(), SessionError> {
        let s = &self.ingest.subscription;
        let stream = self.ingest.broker.stream_info(&s.stream).await?;
        self.is_the_same(&stream)?;
        let (next, last) = (self.continuity.recorded() + 1, stream.last_seq());
        // What is gone is told of when nothing is in hand any more.
        if last < next || stream.first_seq() > next {
            return Ok(());
        }
        let limit = PAGE.min(self.window.room());
        if is_first && self.account.is_whole() {
            // A message that ends the client is passed so; otherwise it would end the next process as well.
            match self.ingest.broker.read_singly(&s.stream, &s.subject, next, last, limit).await {
                Err(StreamError::Denied { .. }) => {}
                range => return self.record_range(range?, next, last).await.map(drop),
            }
        }
        self.read_page(next, last, limit).await.map(drop)
    }

    /// How many to record next. While the handler is fast, no more than can start at once, and not
    /// before that is worth a statement; 0 when nothing became free in time.
    async fn paced(&self, batch: usize) -> usize {
        let until = Instant::now() + PACE_WITHIN;
        loop {
            let freed = self.ingest.shared.freed.notified();
            let startable = self.ingest.shared.book().startable(Instant::now());
            let Some((startable, worth)) = startable else { return batch };
            if startable >= batch.min(worth) {
                return startable.min(batch);
            }
            if tokio::time::timeout_at(until.into(), freed).await.is_err() {
                return startable.min(batch);
            }
        }
    }

    async fn room(&mut self) -> Result<usize, SessionError> {
        let now = Instant::now();
        if self.window.is_stale(now) {
            let bound = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
            let (ready, waiting) =
                (self.ingest.subscription.inbox_window, self.ingest.subscription.inbox_waiting_max);
            let count = self.ingest.inbox.window(bound(ready), bound(waiting)).await?;
            self.window.counted(count, now);
            metric::inbox_waiting_count(self.ingest.inbox.consumer().to_owned()).set(gauge(count.waiting));
            if self.window.waits_too_much() {
                tracing::warn!(
                    consumer = self.ingest.inbox.consumer(),
                    waiting = count.waiting,
                    "ingest stops: too many messages wait for a retry, or behind one (INBOX_WAITING_MAX)"
                );
            }
        }
        Ok(self.window.room())
    }

    /// Records deliveries in order, reading first what lies between; acks each part once committed.
    async fn record(&mut self, group: Vec<Delivery>) -> Result<(), SessionError> {
        failpoint!("ingest.pull.after", lost::to_broker("pulling").into());
        let mut part: Vec<Delivery> = Vec::with_capacity(group.len());
        // A durable that was made anew delivers everything once more: what of it came together is of one
        // stream, and looked at once.
        let mut is_of_this_stream = false;
        for delivery in group {
            let first = delivery.delivered == 1;
            let shrank = first && self.shrank(delivery.pending);
            match self.continuity.judge(delivery.stream_seq, delivery.consumer_seq, first) {
                Before::Nothing if shrank => {
                    self.record_part(std::mem::take(&mut part)).await?;
                    self.look_at_beginning(delivery.stream_seq).await?;
                }
                Before::Nothing => {}
                // A first delivery of an old sequence: the stream may be a new one.
                Before::Seen if first && !is_of_this_stream => {
                    self.check_incarnation().await?;
                    is_of_this_stream = true;
                }
                Before::Seen => {}
                Before::Read { from, to } => {
                    self.record_part(std::mem::take(&mut part)).await?;
                    self.look_at_beginning(to + 1).await?;
                    self.read_range(from, to).await?;
                }
            }
            self.continuity.advance(delivery.stream_seq);
            if delivery.delivered > 1 {
                metric::consumer_redelivery_count(self.ingest.inbox.consumer().to_owned()).increment(1);
            }
            part.push(delivery);
        }
        self.record_part(part).await
    }

    async fn record_part(&mut self, part: Vec<Delivery>) -> Result<(), SessionError> {
        if part.is_empty() {
            return Ok(());
        }
        let tokens: Vec<_> = part.iter().map(|delivery| delivery.ack.clone()).collect();
        let highest = part.iter().map(|delivery| delivery.stream_seq).max().unwrap_or(0);
        self.write(part.into_iter().map(Incoming::from).collect(), highest).await?;
        failpoint!("ingest.ack.before", lost::to_broker("acknowledging").into());
        // An ack that is lost brings a redelivery, and that a duplicate, and that an ack.
        if let Err(error) = self.durable.ack(&tokens).await {
            tracing::debug!(error = in_one_line(&error), "acks were not sent; the messages come again");
        }
        failpoint!("ingest.ack.after", lost::to_broker("acknowledging").into());
        Ok(())
    }

    /// Records messages, and that everything up to `highest` is.
    async fn write(&mut self, messages: Vec<Incoming>, highest: u64) -> Result<(), SessionError> {
        let stream = &self.ingest.subscription.stream;
        let contracts = &self.ingest.contracts;
        let upto = self.continuity.recorded().min(highest);
        self.account_for(&messages, upto);
        let rows: Vec<_> =
            messages.into_iter().map(|m| arrival(m, stream, self.incarnation, contracts)).collect();
        match self.recorder.record(rows, i64::try_from(upto).unwrap_or(i64::MAX)).await {
            Recording::Done { ready } => {
                self.window.recorded(ready);
                Ok(())
            }
            Recording::LeaseLost => Err(SessionError::LeaseLost),
        }
    }

    /// Reads a range of the stream and records it, page by page.
    async fn read_range(&mut self, from: u64, to: u64) -> Result<(), SessionError> {
        let mut next = from;
        while next <= to {
            next = self.read_page(next, to, PAGE).await? + 1;
        }
        Ok(())
    }

    /// Reads the beginning of a range and records it; returns up to where.
    async fn read_page(&mut self, from: u64, to: u64, limit: usize) -> Result<u64, SessionError> {
        let s = &self.ingest.subscription;
        let range = self.ingest.broker.read_range(&s.stream, &s.durable, &s.subject, from, to, limit).await?;
        let upto = self.record_range(range, from, to).await?;
        failpoint!("ingest.range.after", lost::to_broker("reading a missing range").into());
        Ok(upto)
    }

    /// Records what was read of a range; returns up to where that is all of it.
    async fn record_range(&mut self, range: Range, from: u64, to: u64) -> Result<u64, SessionError> {
        let upto = range.reaches(from, to);
        if !range.messages.is_empty() {
            tracing::warn!(
                consumer = self.ingest.inbox.consumer(),
                from,
                to = upto,
                messages = range.messages.len(),
                "read from the stream what the durable had not delivered"
            );
        }
        self.continuity.advance(upto);
        self.write(range.messages.into_iter().map(Incoming::from).collect(), upto).await?;
        Ok(upto)
    }

    /// The durable delivers nothing: is there something that it ought to have delivered?
    async fn look_for_stranded(&mut self) -> Result<(), SessionError> {
        let s = &self.ingest.subscription;
        let stream = self.ingest.broker.stream_info(&s.stream).await?;
        self.is_the_same(&stream)?;
        let durable = self.ingest.broker.consumer_info(&s.stream, &s.durable).await?;
        // Nothing is in hand: what the stream dropped will not come any more.
        self.pass_over(stream.first_seq().saturating_sub(1)).await?;
        let recorded = self.continuity.recorded();
        let (last, first) = (stream.last_seq(), recorded + 1);
        let owed =
            durable.delivered.stream_seq > recorded || durable.num_pending > 0 || durable.num_ack_pending > 0;
        if owed && last > recorded {
            // Page by page, as far as there is room: the next turn goes on.
            self.read_page(first, last, PAGE.min(self.window.room())).await?;
            self.idle = 1;
            return Ok(());
        }
        self.prove(last).await
    }

    /// Now and then: is it the same stream, and does the same server lead it?
    async fn look_at_stream(&mut self) -> Result<(), SessionError> {
        self.stream_at = Instant::now() + STREAM_EVERY;
        let stream = self.check_incarnation().await?;
        self.compare_under_a_new_leader(&stream).await
    }

    async fn check_incarnation(&self) -> Result<StreamFacts, SessionError> {
        let stream = self.ingest.broker.stream_info(&self.ingest.subscription.stream).await?;
        self.is_the_same(&stream).map(|()| stream)
    }

    fn is_the_same(&self, stream: &StreamFacts) -> Result<(), SessionError> {
        if micros(stream.created) == self.incarnation { Ok(()) } else { Err(SessionError::NewIncarnation) }
    }
}

/// The database keeps microseconds.
fn micros(at: OffsetDateTime) -> OffsetDateTime {
    at.replace_microsecond(at.microsecond()).unwrap_or(at)
}

fn gauge(count: i64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
