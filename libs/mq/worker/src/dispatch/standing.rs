//! Messages of which it is not known how they stand: asked, and acted upon.

use std::time::Instant;

use sea_mq_dispatch::{Settlement, lost_attempt};
use sea_mq_inbox::Standing;
use uuid::Uuid;

use super::settling::ToSettle;
use super::{HELD_AGAIN, Running, pause_on_error};
use crate::leases::{in_one_line, is_valid};

/// A message of which it is not known how it stands.
#[derive(Clone, Copy)]
pub(super) struct Unclear {
    pub(super) id: Uuid,
    pub(super) at: Instant,
    /// Its attempt, if one is open, was started here and never called.
    pub(super) uncalled: bool,
}

/// Messages that were unclear, and where they stand.
pub(super) type Stood = Vec<(Unclear, Standing)>;

impl Running {
    pub(super) fn start_standing(&mut self, now: Instant) {
        if self.slots.standing.is_some() || !self.unclear.iter().any(|u| u.at <= now) {
            return;
        }
        let (ask, later): (Vec<_>, Vec<_>) = self.unclear.drain(..).partition(|u| u.at <= now);
        self.unclear = later;
        let inbox = self.d.inbox.clone();
        let ids: Vec<Uuid> = ask.iter().map(|u| u.id).collect();
        self.slots.standing = Some(Box::pin(async move {
            loop {
                match inbox.standing(&ids).await {
                    Ok(found) => return with_missing(&ask, &found),
                    Err(error) => {
                        tracing::warn!(error = in_one_line(&error), "waiting for the database");
                        pause_on_error(true).await;
                    }
                }
            }
        }));
    }

    pub(super) fn stood(&mut self, standing: Stood) {
        let again = Instant::now() + HELD_AGAIN;
        let is_ours = is_valid(&self.d.leases.now());
        let mut book = self.d.shared.book();
        for (unclear, standing) in standing {
            let id = unclear.id;
            let Some(row) = book.row(id) else { continue };
            let (key, lane, row_attempts) = (row.key.clone(), row.lane, row.attempts);
            let owned = book.owns(lane);
            match standing {
                Standing::Startable(pos) => {
                    book.located(id, pos);
                    book.requeue(id);
                }
                Standing::Blocking => book.blocked(id),
                Standing::Processed | Standing::Dead => book.finished(id),
                Standing::Holding => book.closed(&key, lane, id, true),
                // Of a lane that may be another's by now, so may the attempt be.
                Standing::Running(fence) if !is_ours || !owned || self.is_in_hand(id, fence) => {
                    self.unclear.push(Unclear { at: again, ..unclear });
                }
                Standing::Running(fence) if unclear.uncalled => {
                    let settlement = Settlement::GiveBack { error: String::new() };
                    self.to_settle.push(ToSettle { id, fence, settlement, call: None });
                }
                // Nobody calls for it: its statement was committed after all, or its caller is gone.
                Standing::Running(fence) => {
                    let settlement = lost_attempt(row_attempts + 1, &self.policy, rand::random());
                    self.to_settle.push(ToSettle { id, fence, settlement, call: None });
                }
            }
        }
    }

    pub(super) fn is_in_hand(&self, id: Uuid, fence: i64) -> bool {
        self.in_flight.contains(&(id, fence))
            || self.waiting.iter().chain(&self.singly).any(|a| a.message_id == id && a.fence == fence)
            || self
                .to_settle
                .iter()
                .chain(self.held.iter().map(|(_, item)| item))
                .any(|i| i.id == id && i.fence == fence)
    }
}

/// A message that is not in the inbox any more is closed.
fn with_missing(asked: &[Unclear], found: &[(Uuid, Standing)]) -> Stood {
    let standing = |id| found.iter().find(|(known, _)| *known == id).map_or(Standing::Processed, |(_, s)| *s);
    asked.iter().map(|unclear| (*unclear, standing(unclear.id))).collect()
}
