//! Which lanes are published here, and up to where each is done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sea_mq_event::LANES;
use sea_mq_failpoint::failpoint;
use sea_mq_lease::Holdings;
use sea_mq_outbox::{Outbox, OutboxError, Position, ROLE};
use uuid::Uuid;

use super::Running;
use crate::leases::{in_one_line, to_hand_over};

/// How often positions are kept.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// What is known of the own lanes beside the book.
pub(super) struct Ownership {
    pub(super) instance: Uuid,
    /// Lanes that are held and whose positions are still to be read.
    pub(super) arriving: Vec<i16>,
    /// Lanes whose positions are being read.
    pub(super) taking: Vec<i16>,
    /// The floors that the database has.
    saved: Vec<(i16, i64)>,
    save_at: Instant,
}

/// Where lanes are taken up.
pub(super) struct Found {
    /// Where their last owners stood.
    pub(super) positions: Vec<Position>,
    /// What has come up below since.
    pub(super) news: Vec<(i16, i64)>,
    /// The snapshot that further looks continue from.
    pub(super) snapshot: String,
}

impl Ownership {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            instance: Uuid::nil(),
            arriving: Vec::new(),
            taking: Vec::new(),
            saved: Vec::new(),
            save_at: now + SAVE_EVERY,
        }
    }

    fn is_coming(&self, lane: i16) -> bool {
        self.arriving.contains(&lane) || self.taking.contains(&lane)
    }
}

impl Running {
    /// Owns what was taken, forgets what was lost, hands over what is above the fair share.
    pub(super) async fn follow_leases(&mut self) {
        let holdings = self.publisher.leases.now();
        if holdings.instance != self.ownership.instance {
            self.ownership.instance = holdings.instance;
            for lane in self.book.lanes() {
                self.book.disown(lane);
            }
            self.ownership.arriving.clear();
        }
        let held: Vec<i16> = holdings.of(ROLE).map(|lease| lease.lane).collect();
        for lane in self.book.lanes().into_iter().filter(|lane| !held.contains(lane)) {
            self.book.disown(lane);
        }
        self.ownership.arriving.retain(|lane| held.contains(lane));
        let is_new = |lane: &i16| !self.book.owns(*lane) && !self.ownership.is_coming(*lane);
        let new: Vec<i16> = held.iter().copied().filter(is_new).collect();
        self.ownership.arriving.extend(new);
        self.hand_over(&holdings).await;
    }

    async fn hand_over(&mut self, holdings: &Arc<Holdings>) {
        let leaving = to_hand_over(holdings, ROLE, LANES);
        // Whoever was to have a lane may have gone again: then it stays here, and begins anew.
        for lane in self.book.leaving().into_iter().filter(|lane| !self.stopping && !leaving.contains(lane)) {
            self.book.disown(lane);
            self.ownership.arriving.push(lane);
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

    pub(super) async fn save_positions_when_due(&mut self, now: Instant) {
        if now >= self.ownership.save_at {
            self.ownership.save_at = now + SAVE_EVERY;
            self.save_positions().await;
        }
    }

    pub(super) async fn save_positions(&mut self) {
        let Some(snapshot) = self.looks.snapshot() else { return };
        let floors = self.book.floors();
        if floors.is_empty() || floors == self.ownership.saved {
            return;
        }
        match self.publisher.outbox.save_positions(&floors, snapshot).await {
            Ok(()) => self.ownership.saved = floors,
            Err(error) => tracing::debug!(error = in_one_line(&error), "positions were not kept"),
        }
    }
}

/// Reads where the lanes' last owners stood, and what has come up below since.
pub(super) async fn take_over(outbox: &Outbox, lanes: &[i16]) -> Result<Found, OutboxError> {
    failpoint!("publish.take_over.before", crate::lost::to_outbox("read where lanes stand"));
    let positions = outbox.positions(lanes).await?;
    let mut snapshots: Vec<&String> = positions.iter().filter_map(|p| p.snapshot.as_ref()).collect();
    snapshots.sort_unstable();
    snapshots.dedup();
    // The looks that follow continue from here, the ones below from where the last owners stood.
    let snapshot = outbox.snapshot().await?;
    let mut news = Vec::new();
    for seen in snapshots {
        let since = outbox.scout(seen).await?;
        let theirs =
            |lane: &i16| positions.iter().any(|p| p.lane == *lane && p.snapshot.as_ref() == Some(seen));
        news.extend(since.lanes.into_iter().filter(|(lane, _)| theirs(lane)));
    }
    Ok(Found { positions, news, snapshot })
}
