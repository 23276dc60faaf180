//! What is read from the outbox, and when.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use sea_mq_event::LANES;
use sea_mq_failpoint::failpoint;
use sea_mq_outbox::{Claim, Cursor, News, OutboxError};
use uuid::Uuid;

use super::Running;
use super::book::Behind;
use super::ownership::{Found, take_over};
use crate::leases::in_one_line;

/// Polling: at once while there is work, backing off to this when idle.
const IDLE_POLL: Duration = Duration::from_millis(20);
/// How often scheduled rows are looked for, and one lane swept.
const PROMOTE_EVERY: Duration = Duration::from_millis(50);
const SWEEP_EVERY: Duration = Duration::from_secs(2);
/// Scheduled rows that one look lets join.
const PROMOTE_GROUP: i64 = 1000;
/// How long nothing is read after the database failed.
const PAUSE: Duration = Duration::from_millis(250);
/// Rows held in hand per lane: enough to keep the window full, few enough to stay small.
const PER_LANE: usize = 256;

type Fetching = BoxFuture<'static, Fetched>;

/// What a finished look brought.
pub(super) enum Fetched {
    News(Result<News, OutboxError>),
    Claimed { asked: Vec<Cursor>, budget: usize, claim: Result<Claim, OutboxError> },
    Owned { lanes: Vec<i16>, instance: Uuid, found: Result<Found, OutboxError> },
    Promoted(Result<u64, OutboxError>),
    Swept { lane: i16, lowest: Result<Option<i64>, OutboxError> },
}

/// When to look for what.
pub(super) struct Looks {
    /// The snapshot of the last look.
    snapshot: Option<String>,
    poll: Duration,
    look_at: Instant,
    promote_at: Instant,
    sweep_at: Instant,
    swept: i16,
    /// The rows come first at the next look, else the upkeep.
    rows_turn: bool,
}

impl Looks {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            snapshot: None,
            poll: Duration::ZERO,
            look_at: now,
            promote_at: now,
            sweep_at: now + SWEEP_EVERY,
            swept: 0,
            rows_turn: false,
        }
    }

    pub(super) fn snapshot(&self) -> Option<&str> {
        self.snapshot.as_deref()
    }

    pub(super) fn times(&self) -> [Instant; 3] {
        [self.look_at, self.promote_at, self.sweep_at]
    }

    fn seen(&mut self, news: News, is_ours: bool) {
        self.poll = match is_ours {
            true => Duration::ZERO,
            false => (self.poll * 2).clamp(Duration::from_millis(1), IDLE_POLL),
        };
        self.snapshot = Some(news.snapshot);
        self.look_at = Instant::now() + self.poll;
    }

    fn soon(&mut self) {
        self.poll = Duration::ZERO;
        self.look_at = Instant::now();
    }

    fn pause(&mut self) {
        let wait = Instant::now() + PAUSE;
        (self.look_at, self.promote_at, self.sweep_at) = (wait, wait, wait + SWEEP_EVERY);
    }
}

impl Running {
    /// The next look at the outbox: what is most urgent, one at a time.
    pub(super) fn start_fetching(&mut self, now: Instant) {
        self.fetching = self.next_take_over().or_else(|| self.next_by_turns(now));
    }

    /// Promotions that take long must not keep claims from their turn, nor the other way round.
    fn next_by_turns(&mut self, now: Instant) -> Option<Fetching> {
        self.looks.rows_turn = !self.looks.rows_turn;
        if self.looks.rows_turn {
            self.next_rows(now).or_else(|| self.next_upkeep(now))
        } else {
            self.next_upkeep(now).or_else(|| self.next_rows(now))
        }
    }

    fn next_rows(&mut self, now: Instant) -> Option<Fetching> {
        self.next_claim().or_else(|| self.next_look(now))
    }

    fn next_upkeep(&mut self, now: Instant) -> Option<Fetching> {
        self.next_promotion(now).or_else(|| self.next_sweep(now))
    }

    fn next_take_over(&mut self) -> Option<Fetching> {
        if self.ownership.arriving.is_empty() {
            return None;
        }
        let lanes = std::mem::take(&mut self.ownership.arriving);
        self.ownership.taking.clone_from(&lanes);
        let (outbox, instance) = (self.publisher.outbox.clone(), self.ownership.instance);
        Some(Box::pin(async move {
            let found = take_over(&outbox, &lanes).await;
            Fetched::Owned { lanes, instance, found }
        }))
    }

    fn next_promotion(&mut self, now: Instant) -> Option<Fetching> {
        if now < self.looks.promote_at {
            return None;
        }
        self.looks.promote_at = now + PROMOTE_EVERY;
        let (outbox, lanes) = (self.publisher.outbox.clone(), self.book.lanes());
        if lanes.is_empty() {
            return None;
        }
        Some(Box::pin(async move { Fetched::Promoted(outbox.promote_due(&lanes, PROMOTE_GROUP).await) }))
    }

    fn next_sweep(&mut self, now: Instant) -> Option<Fetching> {
        if now < self.looks.sweep_at {
            return None;
        }
        self.looks.sweep_at = now + SWEEP_EVERY;
        self.looks.swept = (self.looks.swept + 1) % LANES;
        let (outbox, lane) = (self.publisher.outbox.clone(), self.looks.swept);
        if !self.book.owns(lane) {
            return None;
        }
        Some(Box::pin(async move {
            if lane == 0
                && let Err(error) = outbox.release_unheld().await
            {
                tracing::warn!(error = in_one_line(&error), "held rows could not be looked at");
            }
            Fetched::Swept { lane, lowest: outbox.lowest_ready(lane).await }
        }))
    }

    fn next_claim(&mut self) -> Option<Fetching> {
        let seen = self.looks.snapshot.clone()?;
        let bound = self.publisher.settings.in_flight_bytes;
        let budget = bound.saturating_sub(self.book.bytes());
        let asked = self.book.cursors(PER_LANE);
        if budget < bound / 4 || asked.is_empty() {
            return None;
        }
        self.book.claiming();
        let outbox = self.publisher.outbox.clone();
        Some(Box::pin(async move {
            let (rows, bytes) = (i64::try_from(PER_LANE), i64::try_from(budget));
            let (rows, bytes) = (rows.unwrap_or(i64::MAX), bytes.unwrap_or(i64::MAX));
            let claim = async {
                let claim = outbox.look_and_claim(&seen, &asked, rows, bytes).await?;
                failpoint!("publish.claim.after", crate::lost::to_outbox("claim rows"));
                Ok(claim)
            };
            let claim = claim.await;
            Fetched::Claimed { asked, budget, claim }
        }))
    }

    fn next_look(&mut self, now: Instant) -> Option<Fetching> {
        let seen = self.looks.snapshot.clone().filter(|_| now >= self.looks.look_at)?;
        let outbox = self.publisher.outbox.clone();
        Some(Box::pin(async move { Fetched::News(outbox.scout(&seen).await) }))
    }

    pub(super) async fn fetched(&mut self, fetched: Fetched) {
        match fetched {
            Fetched::News(Ok(news)) => self.heard(news),
            Fetched::Claimed { asked, budget, claim: Ok(claim) } => {
                self.claimed(&asked, budget, claim).await;
            }
            // Read in an earlier life: others may have been there since.
            Fetched::Owned { instance, .. } if instance != self.publisher.leases.now().instance => {
                self.ownership.taking.clear();
                self.follow_leases().await;
            }
            Fetched::Owned { lanes, found: Ok(found), .. } => self.taken_over(lanes, found).await,
            Fetched::Promoted(Ok(0)) | Fetched::Swept { lowest: Ok(None), .. } => {}
            Fetched::Promoted(Ok(_)) => self.looks.soon(),
            Fetched::Swept { lane, lowest: Ok(Some(seq)) } => self.book.heard(&[(lane, seq)]),
            Fetched::Owned { lanes, found: Err(error), .. } => {
                self.ownership.taking.clear();
                self.ownership.arriving.extend(lanes);
                self.look_failed(&error);
            }
            Fetched::News(Err(error))
            | Fetched::Claimed { claim: Err(error), .. }
            | Fetched::Promoted(Err(error))
            | Fetched::Swept { lowest: Err(error), .. } => self.look_failed(&error),
        }
    }

    async fn taken_over(&mut self, lanes: Vec<i16>, found: Found) {
        self.ownership.taking.clear();
        for lane in lanes {
            self.book.own(lane, found.positions.iter().find(|p| p.lane == lane));
        }
        self.book.heard(&found.news);
        self.looks.snapshot.get_or_insert(found.snapshot);
        self.follow_leases().await;
    }

    fn heard(&mut self, news: News) {
        let is_ours = news.lanes.iter().any(|(lane, _)| self.book.owns(*lane));
        self.book.heard(&news.lanes);
        self.looks.seen(news, is_ours);
    }

    fn look_failed(&mut self, error: &OutboxError) {
        tracing::warn!(error = in_one_line(error), "waiting for the database");
        self.looks.pause();
        // Claims and take-overs are tried again after the same pause.
        self.fetch_later();
    }

    async fn claimed(&mut self, asked: &[Cursor], budget: usize, Claim { from, rows, mut news }: Claim) {
        let bytes: usize = rows.iter().map(|row| row.payload.len()).sum();
        // What came up on the lanes that were read has been read with them, unless the lane has changed
        // since: then its rows are not taken, and it is only heard of.
        news.lanes.retain(|(lane, _)| {
            !asked.iter().any(|cursor| cursor.lane == *lane && self.book.stands_at(*cursor))
        });
        let hold = self.book.take(asked, &from, rows, PER_LANE, bytes >= budget);
        self.book.heard(&news.lanes);
        self.looks.snapshot = Some(news.snapshot);
        self.hold(&hold).await;
    }

    /// Holds rows behind a parked one.
    pub(super) async fn hold(&mut self, behind: &[Behind]) {
        if behind.is_empty() {
            return;
        }
        let ids: Vec<Uuid> = behind.iter().map(|row| row.id).collect();
        if let Err(error) = self.publisher.outbox.hold(&ids).await {
            // Unless they are held already, they are read again, and held then.
            tracing::warn!(error = in_one_line(&error), "rows behind a parked one could not be held yet");
            self.book.unheld(behind);
            if self.fetching.is_none() {
                self.fetch_later();
            }
        }
    }

    /// Reads nothing for a while.
    fn fetch_later(&mut self) {
        self.fetching = Some(Box::pin(async {
            tokio::time::sleep(PAUSE).await;
            Fetched::Promoted(Ok(0))
        }));
    }
}
