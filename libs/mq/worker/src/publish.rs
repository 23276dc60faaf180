//! The publisher: outbox rows of the owned lanes → stream, in order per aggregate.
//!
//! One task. At any time at most one look-and-claim and one mark are under way, and up to the
//! configured number of publishes. No lock and no transaction is open while the broker is awaited.

mod book;
mod gate;
mod message;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use sea_mq_config::PublisherSettings;
use sea_mq_event::LANES;
use sea_mq_failpoint::failpoint;
use sea_mq_lease::Holdings;
use sea_mq_observe::{Health, Progress, metric};
use sea_mq_outbox::{Claim, Cursor, News, Outbox, OutboxError, Position, Published, ROLE};
use sea_mq_stream::{Broker, OutageKind, PublishError, Stored, StreamError, StreamFacts};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::leases::{Leases, in_one_line, is_valid, to_hand_over};
use crate::slot::{Slot, finished};
use book::{Book, ToSend};
use gate::Gate;
use message::outgoing;

/// Polling: at once while there is work, backing off to this when idle.
const IDLE_POLL: Duration = Duration::from_millis(20);
/// How often scheduled rows are looked for, positions kept, one lane swept, the stream looked at.
const PROMOTE_EVERY: Duration = Duration::from_millis(50);
const SAVE_EVERY: Duration = Duration::from_secs(1);
const SWEEP_EVERY: Duration = Duration::from_secs(2);
const STREAM_EVERY: Duration = Duration::from_secs(10);
/// The longest that nothing is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Rows held in hand per lane: enough to keep the window full, few enough to stay small.
const PER_LANE: usize = 256;
/// Rows marked by one statement.
const MARK_GROUP: usize = 2000;

/// What the publisher works with.
pub(crate) struct Publisher {
    pub(crate) outbox: Outbox,
    pub(crate) broker: Broker,
    pub(crate) settings: PublisherSettings,
    pub(crate) leases: Leases,
    pub(crate) health: Health,
    pub(crate) progress: Progress,
}

/// What a finished look brought.
enum Fetched {
    News(Result<News, OutboxError>),
    Claimed {
        asked: Vec<Cursor>,
        budget: usize,
        claim: Result<Claim, OutboxError>,
    },
    Owned {
        lanes: Vec<i16>,
        instance: Uuid,
        found: Result<(Vec<Position>, Vec<(i16, i64)>, String), OutboxError>,
    },
    Promoted(Result<u64, OutboxError>),
    Swept {
        lane: i16,
        lowest: Result<Option<i64>, OutboxError>,
    },
}

/// A publish that has ended.
struct Sent {
    to_send: ToSend,
    /// The highest sequence that was acknowledged when it was sent: its own must be higher.
    after: u64,
    result: Result<Stored, PublishError>,
}

/// A row that is stored and not yet marked.
struct ToMark {
    row: Published,
    lane: i16,
    seq: i64,
}

struct Marked {
    rows: Vec<ToMark>,
    result: Result<u64, OutboxError>,
}

struct Running {
    publisher: Publisher,
    book: Book,
    gate: Gate,
    /// The snapshot of the last look.
    snapshot: Option<String>,
    incarnation: Option<OffsetDateTime>,
    fetching: Slot<Fetched>,
    marking: Slot<Marked>,
    looking: Slot<Result<StreamFacts, StreamError>>,
    sending: FuturesUnordered<BoxFuture<'static, Sent>>,
    to_mark: Vec<ToMark>,
    /// Lanes that are held and whose positions are still to be read.
    arriving: Vec<i16>,
    /// Lanes whose positions are being read.
    taking: Vec<i16>,
    /// The highest sequence that the stream's present incarnation has acknowledged.
    highest: u64,
    stopping: bool,
    instance: Uuid,
    poll: Duration,
    look_at: Instant,
    promote_at: Instant,
    save_at: Instant,
    sweep_at: Instant,
    stream_at: Instant,
    swept: i16,
    saved: Vec<(i16, i64)>,
}

impl Publisher {
    /// Publishes until `stop`; then finishes what is in flight.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let now = Instant::now();
        let mut running = Running {
            publisher: self,
            book: Book::default(),
            gate: Gate::default(),
            snapshot: None,
            incarnation: None,
            fetching: None,
            marking: None,
            looking: None,
            sending: FuturesUnordered::new(),
            to_mark: Vec::new(),
            arriving: Vec::new(),
            taking: Vec::new(),
            highest: 0,
            stopping: false,
            instance: Uuid::nil(),
            poll: Duration::ZERO,
            look_at: now,
            promote_at: now,
            save_at: now + SAVE_EVERY,
            sweep_at: now + SWEEP_EVERY,
            stream_at: now,
            swept: 0,
            saved: Vec::new(),
        };
        running.run(stop).await;
    }
}

impl Running {
    async fn run(&mut self, stop: CancellationToken) {
        let pulse = self.publisher.health.pulse("publisher", Duration::from_secs(60));
        let mut leases = self.publisher.leases.clone();
        self.follow_leases().await;
        while !(stop.is_cancelled() && self.is_finished()) {
            pulse.beat();
            let stopping = stop.is_cancelled();
            self.look_at_stream();
            self.start_work(stopping).await;
            let wake = self.wake_at(stopping);
            tokio::select! {
                Some(sent) = self.sending.next() => self.answered(sent).await,
                marked = finished(&mut self.marking) => self.marked(marked),
                fetched = finished(&mut self.fetching) => self.fetched(fetched).await,
                seen = finished(&mut self.looking) => self.stream_seen(seen),
                () = leases.changed() => self.follow_leases().await,
                () = tokio::time::sleep_until(wake.into()) => {}
                () = stop.cancelled(), if !stopping => self.stop_claiming(),
            }
            self.drain_ready().await;
        }
        self.save_positions().await;
        pulse.retire();
    }

    /// Takes every ack that has arrived already, so that marks and sends go out in groups.
    async fn drain_ready(&mut self) {
        use futures::FutureExt;
        while let Some(Some(sent)) = self.sending.next().now_or_never() {
            self.answered(sent).await;
        }
    }

    fn is_finished(&self) -> bool {
        self.sending.is_empty() && self.to_mark.is_empty() && self.marking.is_none()
    }

    fn stop_claiming(&mut self) {
        self.stopping = true;
        for lane in self.book.lanes() {
            self.book.leave(lane);
        }
    }

    /// Owns what was taken, forgets what was lost, hands over what is above the fair share.
    async fn follow_leases(&mut self) {
        let holdings = self.publisher.leases.now();
        if holdings.instance != self.instance {
            self.instance = holdings.instance;
            for lane in self.book.lanes() {
                self.book.disown(lane);
            }
            self.arriving.clear();
        }
        let held: Vec<i16> = holdings.of(ROLE).map(|lease| lease.lane).collect();
        for lane in self.book.lanes().into_iter().filter(|lane| !held.contains(lane)) {
            self.book.disown(lane);
        }
        self.arriving.retain(|lane| held.contains(lane));
        let new: Vec<i16> = held
            .iter()
            .copied()
            .filter(|lane| {
                !self.book.owns(*lane) && !self.arriving.contains(lane) && !self.taking.contains(lane)
            })
            .collect();
        self.arriving.extend(new);
        self.hand_over(&holdings).await;
    }

    async fn hand_over(&mut self, holdings: &Arc<Holdings>) {
        let leaving = to_hand_over(holdings, ROLE, LANES);
        // Whoever was to have a lane may have gone again: then it stays here, and begins anew.
        for lane in self.book.leaving().into_iter().filter(|lane| !self.stopping && !leaving.contains(lane)) {
            self.book.disown(lane);
            self.arriving.push(lane);
        }
        let done: Vec<i16> = leaving.into_iter().filter(|lane| self.book.leave(*lane)).collect();
        if done.is_empty() {
            return;
        }
        self.save_positions().await;
        for lane in &done {
            self.book.disown(*lane);
        }
        self.publisher.leases.release(ROLE, done).await;
    }

    async fn start_work(&mut self, stopping: bool) {
        let now = Instant::now();
        self.start_marking();
        if !stopping && self.fetching.is_none() {
            self.start_fetching(now);
        }
        if is_valid(&self.publisher.leases.now()) && self.incarnation.is_some() {
            self.send(now).await;
        }
        if now >= self.save_at {
            self.save_at = now + SAVE_EVERY;
            self.save_positions().await;
        }
        self.publisher.progress.waiting(self.book.is_busy());
    }

    /// The next look at the outbox: what is most urgent, one at a time.
    fn start_fetching(&mut self, now: Instant) {
        let outbox = self.publisher.outbox.clone();
        if !self.arriving.is_empty() {
            let lanes = std::mem::take(&mut self.arriving);
            self.taking.clone_from(&lanes);
            let instance = self.instance;
            self.fetching = Some(Box::pin(async move {
                let found = take_over(&outbox, &lanes).await;
                Fetched::Owned { lanes, instance, found }
            }));
        } else if now >= self.promote_at {
            self.promote_at = now + PROMOTE_EVERY;
            let lanes = self.book.lanes();
            if !lanes.is_empty() {
                self.fetching =
                    Some(Box::pin(async move { Fetched::Promoted(outbox.promote_due(&lanes, 1000).await) }));
            }
        } else if now >= self.sweep_at {
            self.sweep_at = now + SWEEP_EVERY;
            self.swept = (self.swept + 1) % LANES;
            let lane = self.swept;
            if self.book.owns(lane) {
                self.fetching = Some(Box::pin(async move {
                    if lane == 0
                        && let Err(error) = outbox.release_unheld().await
                    {
                        tracing::warn!(error = in_one_line(&error), "held rows could not be looked at");
                    }
                    Fetched::Swept { lane, lowest: outbox.lowest_ready(lane).await }
                }));
            }
        } else if let (Some((asked, budget)), Some(seen)) = (self.claimable(), self.snapshot.clone()) {
            self.book.claiming();
            self.fetching = Some(Box::pin(async move {
                let (rows, bytes) = (i64::try_from(PER_LANE), i64::try_from(budget));
                let (rows, bytes) = (rows.unwrap_or(i64::MAX), bytes.unwrap_or(i64::MAX));
                let claim = outbox.look_and_claim(&seen, &asked, rows, bytes).await;
                Fetched::Claimed { asked, budget, claim }
            }));
        } else if now >= self.look_at
            && let Some(seen) = self.snapshot.clone()
        {
            self.fetching = Some(Box::pin(async move { Fetched::News(outbox.scout(&seen).await) }));
        }
    }

    fn claimable(&self) -> Option<(Vec<Cursor>, usize)> {
        let budget = self.publisher.settings.in_flight_bytes.saturating_sub(self.book.bytes());
        if budget < self.publisher.settings.in_flight_bytes / 4 || self.snapshot.is_none() {
            return None;
        }
        let cursors = self.book.cursors(PER_LANE);
        (!cursors.is_empty()).then_some((cursors, budget))
    }

    async fn fetched(&mut self, fetched: Fetched) {
        match fetched {
            Fetched::News(Ok(news)) => self.heard(news),
            Fetched::Claimed { asked, budget, claim: Ok(claim) } => {
                self.claimed(&asked, budget, claim).await;
            }
            // Read in an earlier life: others may have been there since.
            Fetched::Owned { instance, .. } if instance != self.publisher.leases.now().instance => {
                self.taking.clear();
                self.follow_leases().await;
            }
            Fetched::Owned { lanes, found: Ok((positions, news, snapshot)), .. } => {
                self.taking.clear();
                for lane in lanes {
                    self.book.own(lane, positions.iter().find(|p| p.lane == lane));
                }
                self.book.heard(&news);
                self.snapshot.get_or_insert(snapshot);
                self.follow_leases().await;
            }
            Fetched::Promoted(Ok(0)) | Fetched::Swept { lowest: Ok(None), .. } => {}
            Fetched::Promoted(Ok(_)) => self.look_soon(),
            Fetched::Swept { lane, lowest: Ok(Some(seq)) } => self.book.heard(&[(lane, seq)]),
            Fetched::Owned { lanes, found: Err(error), .. } => {
                self.taking.clear();
                self.arriving.extend(lanes);
                self.look_failed(&error);
            }
            Fetched::News(Err(error))
            | Fetched::Claimed { claim: Err(error), .. }
            | Fetched::Promoted(Err(error))
            | Fetched::Swept { lowest: Err(error), .. } => self.look_failed(&error),
        }
    }

    fn heard(&mut self, news: News) {
        if news.lanes.iter().any(|(lane, _)| self.book.owns(*lane)) {
            self.book.heard(&news.lanes);
            self.poll = Duration::ZERO;
        } else {
            self.poll = (self.poll * 2).clamp(Duration::from_millis(1), IDLE_POLL);
        }
        self.snapshot = Some(news.snapshot);
        self.look_at = Instant::now() + self.poll;
    }

    fn look_soon(&mut self) {
        self.poll = Duration::ZERO;
        self.look_at = Instant::now();
    }

    fn look_failed(&mut self, error: &OutboxError) {
        tracing::warn!(error = in_one_line(error), "waiting for the database");
        let wait = Instant::now() + Duration::from_millis(250);
        (self.look_at, self.promote_at, self.sweep_at) = (wait, wait, wait + SWEEP_EVERY);
        // Claims and take-overs are tried again after the same pause.
        self.fetching = Some(Box::pin(async {
            tokio::time::sleep(Duration::from_millis(250)).await;
            Fetched::Promoted(Ok(0))
        }));
    }

    async fn claimed(&mut self, asked: &[Cursor], budget: usize, Claim { from, rows, mut news }: Claim) {
        failpoint!("publish.claim.after");
        let bytes: usize = rows.iter().map(|row| row.payload.len()).sum();
        // What came up on the lanes that were read has been read with them, unless the lane has changed
        // since: then its rows are not taken, and it is only heard of.
        news.lanes.retain(|(lane, _)| {
            !asked.iter().any(|cursor| cursor.lane == *lane && self.book.stands_at(*cursor))
        });
        let hold = self.book.take(asked, &from, rows, PER_LANE, bytes >= budget);
        self.book.heard(&news.lanes);
        self.snapshot = Some(news.snapshot);
        self.hold(&hold).await;
    }

    async fn hold(&mut self, ids: &[Uuid]) {
        if ids.is_empty() {
            return;
        }
        if let Err(error) = self.publisher.outbox.hold(ids).await {
            // They stay ready, are claimed again by the next sweep, and held then.
            tracing::warn!(error = in_one_line(&error), "rows behind a parked one could not be held yet");
        }
    }

    /// Sends what may be sent, within the bounds on messages in flight.
    async fn send(&mut self, now: Instant) {
        let bound = self.publisher.settings.in_flight_messages;
        while self.gate.allows(now, self.book.in_flight(), bound) {
            let Some(to_send) = self.book.next_to_send(now) else { break };
            failpoint!("publish.send.before");
            let ack = self.publisher.broker.publish(&self.publisher.settings.stream, outgoing(&to_send.row));
            let after = self.highest;
            self.sending.push(Box::pin(async move { Sent { to_send, after, result: ack.await } }));
        }
    }

    async fn answered(&mut self, Sent { to_send: sent, after, result }: Sent) {
        failpoint!("publish.ack.after");
        let row = &sent.row;
        match result {
            Ok(stored) => {
                self.gate.succeeded();
                self.follow_sequence(&stored, after);
                self.publisher.progress.settled();
                let waited = OffsetDateTime::now_utc() - row.since;
                metric::publish_latency_ms().record(waited.as_seconds_f64().max(0.0) * 1000.0);
                self.to_mark.push(ToMark {
                    row: Published {
                        id: row.id,
                        stream_seq: i64::try_from(stored.sequence).unwrap_or(i64::MAX),
                        attempts: i32::try_from(sent.failures).unwrap_or(i32::MAX).saturating_add(1),
                    },
                    lane: row.lane,
                    seq: row.seq,
                });
                self.book.acked(row);
            }
            Err(PublishError::Outage { kind, detail }) => self.outage(&sent, kind, &detail),
            Err(PublishError::Refused { reason }) => self.refused(&sent, &reason).await,
        }
    }

    /// A sequence that does not rise is another incarnation's: nothing is marked until it is known.
    fn follow_sequence(&mut self, stored: &Stored, after: u64) {
        if stored.duplicate {
            return;
        }
        if stored.sequence <= after {
            tracing::error!(
                stream = self.publisher.settings.stream,
                sequence = stored.sequence,
                after,
                "the event stream was recreated: events that only the former one held are gone from the broker"
            );
            self.forget_incarnation();
        }
        self.highest = self.highest.max(stored.sequence);
    }

    fn forget_incarnation(&mut self) {
        (self.incarnation, self.highest, self.looking, self.stream_at) = (None, 0, None, Instant::now());
    }

    fn outage(&mut self, sent: &ToSend, kind: OutageKind, detail: &str) {
        metric::publish_failures_total(kind.as_str()).increment(1);
        let now = Instant::now();
        match kind {
            // What comes back may be another stream of the same name.
            OutageKind::StreamMissing | OutageKind::NoResponders | OutageKind::WrongStream => {
                self.forget_incarnation();
            }
            OutageKind::Timeout
            | OutageKind::StreamFull
            | OutageKind::Unavailable
            | OutageKind::Disconnected
            | OutageKind::PermissionDenied
            | OutageKind::Other => {}
        }
        if self.gate.failed(now) {
            tracing::warn!(message_id = %sent.row.id, kind = kind.as_str(), detail,
                "the broker does not take events: they wait in the outbox and are sent again");
        }
        self.book.failed(&sent.row, now);
    }

    async fn refused(&mut self, sent: &ToSend, reason: &str) {
        metric::publish_failures_total("refused").increment(1);
        let row = &sent.row;
        let attempts = i32::try_from(sent.failures).unwrap_or(i32::MAX).saturating_add(1);
        if let Err(error) = self.publisher.outbox.park(row.id, attempts, reason).await {
            tracing::warn!(message_id = %row.id, error = in_one_line(&error), "a refused event could not be parked yet");
            return self.book.failed(row, Instant::now());
        }
        tracing::error!(message_id = %row.id, correlation_id = %row.correlation_id, subject = row.subject, reason,
            "the broker refuses this event for good: it is parked and holds back its aggregate; see `sea-mq outbox parked`");
        self.book.marked(&[(row.lane, row.seq)]);
        let behind = self.book.parked(row);
        self.hold(&behind).await;
    }

    fn start_marking(&mut self) {
        let Some(incarnation) = self.incarnation else { return };
        if self.marking.is_some() || self.to_mark.is_empty() {
            return;
        }
        let group = self.to_mark.len().min(MARK_GROUP);
        let rows: Vec<ToMark> = self.to_mark.drain(..group).collect();
        let (outbox, stream) = (self.publisher.outbox.clone(), self.publisher.settings.stream.clone());
        self.marking = Some(Box::pin(async move {
            let published: Vec<Published> = rows.iter().map(|r| r.row).collect();
            let result = outbox.mark_published(&stream, incarnation, &published).await;
            if result.is_err() {
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
            Marked { rows, result }
        }));
    }

    fn marked(&mut self, marked: Marked) {
        match marked.result {
            Ok(count) => {
                metric::outbox_published_total().increment(count);
                let rows: Vec<(i16, i64)> = marked.rows.iter().map(|r| (r.lane, r.seq)).collect();
                self.book.marked(&rows);
            }
            Err(error) => {
                // Stored already: only the mark is tried again.
                tracing::warn!(
                    error = in_one_line(&error),
                    "waiting for the database to mark events published"
                );
                self.to_mark.extend(marked.rows);
            }
        }
    }

    /// Learns the stream's incarnation, and learns of a new one.
    fn look_at_stream(&mut self) {
        let now = Instant::now();
        if now < self.stream_at || self.looking.is_some() || !self.publisher.broker.is_connected() {
            return;
        }
        self.stream_at =
            now + if self.incarnation.is_some() { STREAM_EVERY } else { Duration::from_millis(250) };
        let (broker, stream) = (self.publisher.broker.clone(), self.publisher.settings.stream.clone());
        self.looking = Some(Box::pin(async move { broker.stream_info(&stream).await }));
    }

    fn stream_seen(&mut self, seen: Result<StreamFacts, StreamError>) {
        match seen {
            Ok(facts) => self.incarnation = Some(facts.created),
            Err(error) => {
                tracing::warn!(error = in_one_line(&error), "the event stream could not be looked at");
            }
        }
    }

    async fn save_positions(&mut self) {
        let Some(snapshot) = &self.snapshot else { return };
        let floors = self.book.floors();
        if floors.is_empty() || floors == self.saved {
            return;
        }
        match self.publisher.outbox.save_positions(&floors, snapshot).await {
            Ok(()) => self.saved = floors,
            Err(error) => tracing::debug!(error = in_one_line(&error), "positions were not kept"),
        }
    }

    /// When to look again, if nothing happens before. What is overdue waits for something that ends,
    /// and that wakes by itself.
    fn wake_at(&self, stopping: bool) -> Instant {
        let now = Instant::now();
        let mut times: Vec<Instant> = self.book.next_wake().into_iter().chain(self.gate.opens_at()).collect();
        if !stopping {
            times.extend([self.look_at, self.promote_at, self.sweep_at]);
        }
        let next = times.into_iter().filter(|at| *at > now).min();
        next.map_or(now + LOOK_EVERY, |at| at.min(now + LOOK_EVERY))
    }
}

/// Reads where the lanes' last owners stood, and what has come up below since.
async fn take_over(
    outbox: &Outbox,
    lanes: &[i16],
) -> Result<(Vec<Position>, Vec<(i16, i64)>, String), OutboxError> {
    failpoint!("publish.take_over.before");
    let positions = outbox.positions(lanes).await?;
    let mut snapshots: Vec<&String> = positions.iter().filter_map(|p| p.snapshot.as_ref()).collect();
    snapshots.sort_unstable();
    snapshots.dedup();
    // The looks that follow continue from here, the ones below from where the last owners stood.
    let here = outbox.snapshot().await?;
    let mut news = Vec::new();
    for snapshot in snapshots {
        let since = outbox.scout(snapshot).await?;
        let theirs =
            |lane: &i16| positions.iter().any(|p| p.lane == *lane && p.snapshot.as_ref() == Some(snapshot));
        news.extend(since.lanes.into_iter().filter(|(lane, _)| theirs(lane)));
    }
    Ok((positions, news, here))
}
