//! What there is to run: ready rows, due ones, aggregates that are free again.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sea_mq_event::LANES;
use sea_mq_inbox::{DueRow, InboxError, OpenRow, QueuedRow};
use uuid::Uuid;

use super::{Running, pause_on_error};

/// Ready rows read at a time from each lane.
const READ_PER_LANE: usize = 64;
/// Polling for what another instance records: at once while there is work, this when idle.
const IDLE_POLL: Duration = Duration::from_millis(20);
const DUE_EVERY: Duration = Duration::from_millis(50);
const DUE_PAGE: usize = 512;
/// Deferred rows that come up at once in one statement.
const RECALL_PAGE: i64 = 1000;
pub(super) const BLOCKERS_EVERY: Duration = Duration::from_secs(1);
/// Blocked aggregates looked at in one go.
const BLOCKERS_GROUP: usize = 2000;
/// An instance that does not record looks for late rows this often, whatever it is told.
pub(super) const LOOK_AGAIN_EVERY: Duration = Duration::from_secs(1);
/// One lane is swept in this time.
pub(super) const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The lanes that were read, from where, and what was ready there.
pub(super) type Read = (Vec<(i16, i64)>, Result<Vec<QueuedRow>, InboxError>);
/// What has waited long enough.
pub(super) type Due = Result<Vec<DueRow>, InboxError>;
/// A lane, and what is ready and what is open in it, whether or not it is known here.
pub(super) type Swept = (i16, Result<(Vec<QueuedRow>, Vec<OpenRow>), InboxError>);

impl Running {
    pub(super) fn start_reading(&mut self, now: Instant) {
        let records_here = self.d.shared.records_here.load(Ordering::Acquire);
        if !records_here && now >= self.mark_at && self.slots.marking.is_none() {
            let (inbox, stream) = (self.d.inbox.clone(), self.d.subscription.stream.clone());
            self.slots.marking = Some(Box::pin(async move {
                let newest = inbox.incarnations(&stream).await.ok()?.into_iter().next()?;
                Some((newest.created_at, newest.recorded_seq))
            }));
        }
        if !records_here && now >= self.look_at {
            self.look_at = now + LOOK_AGAIN_EVERY;
            self.d.shared.book().look_again();
        }
        if self.slots.reading.is_none() {
            let asked = self.d.shared.book().unread();
            if !asked.is_empty() {
                let inbox = self.d.inbox.clone();
                self.slots.reading = Some(Box::pin(async move {
                    let per_lane = i64::try_from(READ_PER_LANE).unwrap_or(i64::MAX);
                    let rows = inbox.ready(&asked, per_lane).await;
                    pause_on_error(rows.is_err()).await;
                    (asked, rows)
                }));
            }
        }
    }

    pub(super) fn marked(&mut self, mark: Option<(time::OffsetDateTime, i64)>) {
        if mark.is_some() && mark != self.recorded_mark {
            self.recorded_mark = mark;
            self.d.shared.book().look_again();
            self.poll = Duration::ZERO;
        } else {
            self.poll = (self.poll * 2).clamp(Duration::from_millis(1), IDLE_POLL);
        }
        self.mark_at = Instant::now() + self.poll;
    }

    pub(super) fn read(&mut self, (asked, rows): Read) {
        match rows {
            Ok(rows) => self.d.shared.book().read(&asked, rows, READ_PER_LANE),
            Err(error) => self.database_waits(&error),
        }
    }

    pub(super) fn start_due(&mut self, now: Instant) {
        if self.slots.due.is_some() || now < self.due_at {
            return;
        }
        self.due_at = now + DUE_EVERY;
        let lanes = self.d.shared.book().lanes();
        if lanes.is_empty() {
            return;
        }
        let (inbox, instance, after) = (self.d.inbox.clone(), self.instance, self.due_after);
        let recall = std::mem::take(&mut self.recall);
        self.slots.due = Some(Box::pin(async move {
            for event_type in recall {
                while inbox.recall(instance, event_type.as_deref(), RECALL_PAGE).await? {}
            }
            inbox.due(&lanes, after, i64::try_from(DUE_PAGE).unwrap_or(i64::MAX)).await
        }));
    }

    pub(super) fn due(&mut self, due: Due) {
        match due {
            Ok(rows) => {
                // Those that are due and cannot start yet must not hide the ones after them.
                self.due_after = rows.last().filter(|_| rows.len() >= DUE_PAGE).map(|last| last.place);
                self.d.shared.book().due(rows.into_iter().map(|due| due.row).collect());
            }
            Err(error) => self.database_waits(&error),
        }
    }

    pub(super) fn start_blockers(&mut self, now: Instant) {
        if self.slots.blockers.is_some() || now < self.blockers_at {
            return;
        }
        self.blockers_at = now + BLOCKERS_EVERY;
        let blockers = self.d.shared.book().blockers();
        if blockers.is_empty() {
            return;
        }
        let from = self.blockers_from % blockers.len();
        self.blockers_from = from + BLOCKERS_GROUP;
        let ids: Vec<Uuid> =
            blockers.iter().cycle().skip(from).take(BLOCKERS_GROUP.min(blockers.len())).copied().collect();
        let inbox = self.d.inbox.clone();
        self.slots.blockers = Some(Box::pin(async move { inbox.no_longer_blocking(&ids).await }));
    }

    pub(super) fn unblocked(&mut self, ids: Result<Vec<Uuid>, InboxError>) {
        match ids {
            Ok(ids) => {
                let mut book = self.d.shared.book();
                for id in ids {
                    book.unblocked(id);
                }
            }
            Err(error) => self.database_waits(&error),
        }
    }

    pub(super) fn start_sweeping(&mut self, now: Instant) {
        if self.slots.sweeping.is_some() || now < self.sweep_at {
            return;
        }
        self.sweep_at = now + SWEEP_EVERY;
        self.swept = (self.swept + 1) % LANES;
        let lane = self.swept;
        if self.d.shared.book().owns(lane) {
            let inbox = self.d.inbox.clone();
            let limit = i64::try_from(READ_PER_LANE).unwrap_or(i64::MAX);
            self.slots.sweeping = Some(Box::pin(async move {
                let found =
                    async { Ok((inbox.ready(&[(lane, 0)], limit).await?, inbox.open(&[lane]).await?)) };
                (lane, found.await)
            }));
        }
    }

    /// What nobody here knows of is taken in. Nothing should ever be caught; if something is, it is
    /// late and not lost.
    pub(super) fn swept(&mut self, (lane, found): Swept) {
        let (ready, open) = match found {
            Ok(found) => found,
            Err(error) => return self.database_waits(&error),
        };
        let consumer = self.d.inbox.consumer();
        let mut book = self.d.shared.book();
        let caught = book.swept(ready);
        if caught > 0 {
            tracing::warn!(consumer, lane, caught, "ready messages were overlooked: taken in by the sweep");
        }
        // What is seen once may be on its way here; what is seen twice is not.
        let mut strangers = book.strangers(&open);
        strangers.extend(book.lost_heads(lane));
        let before = self.strangers.insert(lane, strangers.clone()).unwrap_or_default();
        if !before.is_disjoint(&strangers) && book.owns(lane) {
            tracing::warn!(
                consumer,
                lane,
                ?strangers,
                "open messages were overlooked: their lane begins anew"
            );
            book.forget(lane);
            self.arriving.push(lane);
        }
    }
}
