//! What is promised: at every moment, and at the end.

use sqlx::Row as _;
use uuid::Uuid;

use crate::world::{Checked, Fate, World};

/// A message in the inbox, and what it has caused.
#[derive(Clone, Debug)]
pub struct Row {
    pub id: Uuid,
    pub aggregate: u8,
    pub state: String,
    pub fence: i64,
    pub attempts: i32,
    pub epoch: i32,
    pub lane: i16,
    pub holding: bool,
    pub exempt: bool,
    reason: Option<String>,
    effects: i64,
    caused: i64,
}

impl Row {
    /// Its aggregate goes on without it.
    pub fn is_finished(&self) -> bool {
        self.state == "processed" || (self.state == "dead" && !self.holding)
    }
}

impl World<'_> {
    /// Reads the inbox, and holds it against what handlers have committed.
    pub async fn look(&mut self) -> Checked {
        let rows = self.read().await;
        for row in &rows {
            let before = self.rows.iter().find(|before| before.id == row.id).map_or(0, |before| before.fence);
            let commits = self.committed.get(&row.id).map_or(&[][..], Vec::as_slice);
            let event = self.event_of(row.id);
            if row.fence < before {
                return Err(format!("the fence of event {event} fell from {before} to {}", row.fence));
            }
            let count = i64::try_from(commits.len()).unwrap();
            if (row.effects, row.caused) != (count, count) || commits.len() > 1 {
                return Err(format!("event {event} has {count} commits: {row:?}"));
            }
            if (row.state == "processed") != (count == 1) {
                return Err(format!("event {event} is {} with {count} commits", row.state));
            }
            if commits.first().is_some_and(|fence| *fence != row.fence) {
                return Err(format!(
                    "an outdated attempt of event {event} has committed: {commits:?}, {row:?}"
                ));
            }
        }
        self.rows = rows;
        Ok(())
    }

    async fn read(&mut self) -> Vec<Row> {
        let consumer = &self.names.consumer;
        let sql = format!(
            "SELECT m.message_id, m.state, m.fence, m.attempts, m.epoch, m.lane, m.holding, m.exempt, m.dead_reason,
                 (SELECT count(*) FROM effects e WHERE e.consumer = m.consumer AND e.message_id = m.message_id),
                 (SELECT count(*) FROM outbox_events o WHERE o.causation_id = m.message_id)
             FROM inbox_messages m WHERE m.consumer = '{consumer}' ORDER BY m.pos"
        );
        let rows = self.arena.rows(&sql).await;
        let read = |row: &sqlx::postgres::PgRow| {
            let id: Uuid = row.try_get(0)?;
            Ok(Row {
                id,
                aggregate: self.aggregate_of(id),
                state: row.try_get(1)?,
                fence: row.try_get(2)?,
                attempts: row.try_get(3)?,
                epoch: row.try_get(4)?,
                lane: row.try_get(5)?,
                holding: row.try_get(6)?,
                exempt: row.try_get(7)?,
                reason: row.try_get(8)?,
                effects: row.try_get(9)?,
                caused: row.try_get(10)?,
            })
        };
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().unwrap()
    }

    /// Effects are the committed events, exactly, in order; what is dead says why.
    pub async fn judge(&mut self) -> Checked {
        self.look().await?;
        for (number, event) in self.events.iter().enumerate() {
            let row = self.rows.iter().find(|row| row.id == event.id);
            match (event.fate, row) {
                (Fate::Committed, Some(row)) => self.judge_row(number, event.poison, row)?,
                (Fate::RolledBack, None) => {}
                (fate, row) => return Err(format!("event {number} is {fate:?}, and {row:?}")),
            }
        }
        self.judge_order().await
    }

    fn judge_row(&self, number: usize, poison: bool, row: &Row) -> Checked {
        let whole = match (row.state.as_str(), row.reason.as_deref()) {
            ("processed", _) => (row.effects, row.caused) == (1, 1) && !poison,
            ("dead", Some("max_deliver")) => row.attempts >= self.plan.max_deliver && row.effects == 0,
            ("dead", Some("poison")) => row.effects == 0,
            (_, _) => false,
        };
        if whole { Ok(()) } else { Err(format!("event {number} has ended as {row:?}")) }
    }

    /// But for the exempt, the effects of an aggregate come in the order of its commits; and there are
    /// no others.
    async fn judge_order(&mut self) -> Checked {
        let consumer = self.names.consumer.clone();
        let sql = format!("SELECT message_id FROM effects WHERE consumer = '{consumer}' ORDER BY n");
        let effects: Vec<Uuid> =
            self.arena.rows(&sql).await.iter().map(|row| row.try_get(0).unwrap()).collect();
        let processed = self.rows.iter().filter(|row| row.state == "processed").count();
        if effects.len() != processed {
            return Err(format!("{} effects of {processed} processed events", effects.len()));
        }
        for aggregate in 0..self.plan.aggregates {
            let row = |id: &Uuid| self.rows.iter().find(|row| row.id == *id);
            let ordered = |id: &&Uuid| row(id).is_some_and(|row| !row.exempt && row.aggregate == aggregate);
            let order: Vec<usize> = effects.iter().filter(ordered).map(|id| self.event_of(*id)).collect();
            if !order.is_sorted() {
                return Err(format!("effects of aggregate {aggregate} came as {order:?}"));
            }
        }
        self.judge_totals(&consumer).await
    }

    /// What effects of one aggregate write in common was not lost.
    async fn judge_totals(&mut self, consumer: &str) -> Checked {
        let sql = format!(
            "SELECT count(*)::text FROM totals t WHERE consumer = '{consumer}' AND n <> (
                 SELECT count(*) FROM effects e WHERE e.consumer = t.consumer AND e.aggregate = t.aggregate)"
        );
        let wrong = self.plan.shared_row && self.arena.text(&sql).await != "0";
        if wrong { Err("a total is not that of its effects".to_owned()) } else { Ok(()) }
    }
}
