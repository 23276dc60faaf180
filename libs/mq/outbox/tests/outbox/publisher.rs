//! A publisher without a broker: looks and claims in one snapshot as the worker does, and marks.

use std::collections::{BTreeMap, HashSet};

use sea_mq_outbox::{Claim, Claimed, Cursor, Outbox, Published};
use time::OffsetDateTime;

use crate::support::from_the_start;

pub struct Publisher {
    pub outbox: Outbox,
    pub snapshot: String,
    cursors: BTreeMap<i16, i64>,
    per_lane: i64,
    stored: i64,
}

impl Publisher {
    /// Owns every lane, from its beginning.
    pub async fn new(outbox: Outbox) -> Self {
        let snapshot = outbox.snapshot().await.unwrap();
        let cursors = from_the_start().iter().map(|c| (c.lane, c.after)).collect();
        Self { outbox, snapshot, cursors, per_lane: 64, stored: 0 }
    }

    /// Owns every lane, from the positions that the last owner kept.
    pub async fn resumed(outbox: Outbox) -> Self {
        let mut next = Self::new(outbox).await;
        let positions = next.outbox.positions(&(0..32).collect::<Vec<_>>()).await.unwrap();
        let mut snapshots: Vec<String> = positions.iter().filter_map(|p| p.snapshot.clone()).collect();
        snapshots.dedup();
        for position in &positions {
            next.cursors.insert(position.lane, position.floor);
        }
        for snapshot in snapshots {
            let news = next.outbox.scout(&snapshot).await.unwrap();
            next.step_back(&news.lanes);
        }
        next
    }

    fn step_back(&mut self, news: &[(i16, i64)]) {
        for (lane, lowest) in news {
            let cursor = self.cursors.entry(*lane).or_default();
            *cursor = (*cursor).min(lowest - 1);
        }
    }

    /// Looks and claims, again and again until there is nothing more.
    pub async fn look(&mut self) -> Vec<Claimed> {
        let (mut rows, mut in_hand) = (Vec::new(), HashSet::new());
        loop {
            let more = self.look_once().await;
            if more.is_empty() {
                return rows;
            }
            // A lane that is read again from further back brings rows that are in hand already.
            rows.extend(more.into_iter().filter(|row| in_hand.insert(row.id)));
        }
    }

    async fn look_once(&mut self) -> Vec<Claimed> {
        let cursors: Vec<Cursor> =
            self.cursors.iter().map(|(lane, after)| Cursor { lane: *lane, after: *after }).collect();
        let Claim { from, rows, news } =
            self.outbox.look_and_claim(&self.snapshot, &cursors, self.per_lane, i64::MAX).await.unwrap();
        self.snapshot = news.snapshot;
        // In the order of their sequence: the last row of a lane is how far it was read.
        self.cursors.extend(from.iter().map(|cursor| (cursor.lane, cursor.after)));
        self.cursors.extend(rows.iter().map(|row| (row.lane, row.seq)));
        rows
    }

    /// Marks rows published, as if the stream had acknowledged them.
    pub async fn mark(&mut self, rows: &[Claimed]) -> u64 {
        let published: Vec<Published> = rows
            .iter()
            .zip(self.stored + 1..)
            .map(|(row, stream_seq)| Published { id: row.id, stream_seq, attempts: 1 })
            .collect();
        self.stored += i64::try_from(rows.len()).unwrap();
        self.outbox.mark_published("T_EVENTS", OffsetDateTime::UNIX_EPOCH, &published).await.unwrap()
    }

    /// Looks and marks all that was found; each must still have been ready.
    pub async fn publish(&mut self) -> Vec<Claimed> {
        let rows = self.look().await;
        assert_eq!(self.mark(&rows).await, u64::try_from(rows.len()).unwrap());
        rows
    }

    /// Keeps where it stands for the next owner. Only true when all that was claimed is marked.
    pub async fn save(&self) {
        let floors: Vec<(i16, i64)> = self.cursors.iter().map(|(lane, at)| (*lane, *at)).collect();
        self.outbox.save_positions(&floors, &self.snapshot).await.unwrap();
    }
}
