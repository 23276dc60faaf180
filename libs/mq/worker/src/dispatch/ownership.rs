//! Which lanes are dispatched here: following the leases, taking lanes over, handing them on.

use std::sync::Arc;

use sea_mq_dispatch::lost_attempt;
use sea_mq_event::LANES;
use sea_mq_failpoint::failpoint;
use sea_mq_inbox::{InboxError, OpenRow};
use sea_mq_lease::Holdings;
use uuid::Uuid;

use super::settling::ToSettle;
use super::{Running, Slots, pause_on_error};
use crate::leases::{in_one_line, is_valid, to_hand_over};

/// What is found on lanes that were taken, and in which life they were.
pub(super) struct Taken {
    pub(super) lanes: Vec<i16>,
    pub(super) instance: Uuid,
    pub(super) found: Result<(Vec<(i16, i64)>, Vec<OpenRow>), InboxError>,
}

impl Running {
    pub(super) async fn follow_leases(&mut self) {
        let holdings = self.d.leases.now();
        if holdings.instance != self.instance {
            self.begin_life(holdings.instance);
        }
        let role = self.d.inbox.dispatch_role().to_owned();
        let held: Vec<i16> = holdings.of(&role).map(|lease| lease.lane).collect();
        {
            let mut book = self.d.shared.book();
            for lane in book.lanes().into_iter().filter(|lane| !held.contains(lane)) {
                book.forget(lane);
            }
            self.arriving.retain(|lane| held.contains(lane));
            let here =
                |lane: &i16| book.owns(*lane) || self.arriving.contains(lane) || self.taking.contains(lane);
            let new: Vec<i16> = held.iter().copied().filter(|lane| !here(lane)).collect();
            self.arriving.extend(new);
        }
        self.hand_over(&holdings, &role).await;
    }

    /// Others may have had every lane meanwhile. What was started in the last life and not called is
    /// not called any more; what was asked for in it is not listened to.
    pub(super) fn begin_life(&mut self, instance: Uuid) {
        self.give_waiting_back();
        self.instance = instance;
        self.arriving.clear();
        self.taking.clear();
        let starting = self.slots.starting.take();
        let (settling, standing) = (self.slots.settling.take(), self.slots.standing.take());
        let (probing, asking) = (self.slots.probing.take(), self.slots.asking.take());
        self.slots = Slots { starting, settling, standing, probing, asking, ..Slots::default() };
        let mut book = self.d.shared.book();
        for lane in book.lanes() {
            book.forget(lane);
        }
    }

    pub(super) async fn hand_over(&mut self, holdings: &Arc<Holdings>, role: &str) {
        let leaving = to_hand_over(holdings, role, LANES);
        // Whoever was to have a lane may have gone again.
        let were_leaving: Vec<i16> = self.d.shared.book().leaving();
        for lane in were_leaving.into_iter().filter(|lane| !self.stopping && !leaving.contains(lane)) {
            self.d.shared.book().stay(lane);
        }
        let done: Vec<i16> = {
            let mut book = self.d.shared.book();
            leaving.into_iter().filter(|lane| book.owns(*lane) && book.leave(*lane)).collect()
        };
        if done.is_empty() {
            return;
        }
        self.save_floors().await;
        for lane in &done {
            self.d.shared.book().forget(*lane);
        }
        self.d.leases.release(role, done).await;
    }

    pub(super) fn start_taking(&mut self) {
        if self.slots.taking.is_some() || self.arriving.is_empty() {
            return;
        }
        // One by one after a failure: what is too much for one answer is taken over all the same.
        let count = if self.take_one_by_one { 1 } else { self.arriving.len() };
        let lanes: Vec<i16> = self.arriving.drain(..count).collect();
        self.taking.clone_from(&lanes);
        let (inbox, instance) = (self.d.inbox.clone(), self.instance);
        self.slots.taking = Some(Box::pin(async move {
            let found = async {
                failpoint!("dispatch.take_over.before", crate::lost::to_inbox("read what is open"));
                Ok((inbox.floors(&lanes).await?, inbox.open(&lanes).await?))
            };
            let found = found.await;
            pause_on_error(found.is_err()).await;
            Taken { lanes, instance, found }
        }));
    }

    pub(super) async fn taken(&mut self, taken: Taken) {
        self.taking.clear();
        let holdings = self.d.leases.now();
        // What was read in an earlier life is stale: others may have been there since.
        if holdings.instance == taken.instance {
            self.adopt(taken, &holdings);
        }
        self.follow_leases().await;
    }

    pub(super) fn adopt(&mut self, Taken { lanes, instance: _, found }: Taken, holdings: &Holdings) {
        match found {
            Ok((floors, open)) => {
                let mut left_open = Vec::new();
                let mut book = self.d.shared.book();
                let role = self.d.inbox.dispatch_role();
                let held = |lane: i16| holdings.of(role).any(|lease| lease.lane == lane);
                for (lane, floor) in floors.into_iter().filter(|(lane, _)| held(*lane)) {
                    let open = open.iter().filter(|found| found.row.lane == lane).cloned().collect();
                    left_open.extend(book.adopt(lane, floor, open));
                }
                drop(book);
                self.letters_wake.notify_one();
                self.take_one_by_one &= !self.arriving.is_empty();
                // What a former owner deferred waits for a handler that may be well again.
                self.recall.push(None);
                left_open.retain(|found| !self.is_in_hand(found.row.message_id, found.fence));
                for found in left_open {
                    let settlement = lost_attempt(found.row.attempts, &self.policy, rand::random());
                    tracing::warn!(message_id = %found.row.message_id, consumer = self.d.inbox.consumer(),
                        attempt = found.row.attempts, "an attempt was left open by an instance that ended");
                    self.to_settle.push(ToSettle {
                        id: found.row.message_id,
                        fence: found.fence,
                        settlement,
                        call: None,
                    });
                }
            }
            Err(error) => {
                self.database_waits(&error);
                self.arriving.extend(lanes);
                self.take_one_by_one = true;
            }
        }
    }

    pub(super) async fn save_floors(&mut self) {
        let floors = self.d.shared.book().floors();
        if floors.is_empty() || floors == self.saved || !is_valid(&self.d.leases.now()) {
            return;
        }
        match self.d.inbox.save_floors(&floors).await {
            Ok(()) => self.saved = floors,
            Err(error) => tracing::debug!(error = in_one_line(&error), "floors were not kept"),
        }
    }
}
