//! Events that wait to be published again, in order per aggregate: pure.
//!
//! ```text
//!            next            done
//!   ready ─────────▶ in flight ─────▶ ready (the aggregate's next), or gone
//!     ▲                  │
//!     └── its time ── later ◀── again
//! ```

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Instant;

use sea_mq_outbox::Claimed;
use uuid::Uuid;

/// What events are ordered by: their aggregate, or nothing but themselves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Aggregate(Option<String>, String),
    Alone(Uuid),
}

impl Key {
    fn of(row: &Claimed) -> Self {
        match &row.aggregate_id {
            Some(id) => Self::Aggregate(row.aggregate_type.clone(), id.clone()),
            None => Self::Alone(row.id),
        }
    }
}

/// At most one event of an aggregate is in flight.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// What has not been sent yet of each aggregate, in order. One that is neither ready nor waits
    /// for its time is in flight.
    waiting: HashMap<Key, VecDeque<Claimed>>,
    ready: VecDeque<Key>,
    later: BTreeMap<(Instant, u64), Key>,
    /// Aggregates of which an event was given up: what comes after it is left out.
    given_up: HashSet<Key>,
    rows: usize,
    bytes: usize,
    stamp: u64,
}

impl Line {
    /// Puts an event behind those of its aggregate. False when its aggregate was given up.
    pub(super) fn push(&mut self, row: Claimed) -> bool {
        let key = Key::of(&row);
        if self.given_up.contains(&key) {
            return false;
        }
        (self.rows, self.bytes) = (self.rows + 1, self.bytes + row.payload.len());
        if let Some(waiting) = self.waiting.get_mut(&key) {
            waiting.push_back(row);
        } else {
            self.waiting.insert(key.clone(), VecDeque::from([row]));
            self.ready.push_back(key);
        }
        true
    }

    /// The next event that may be sent; it is in flight then.
    pub(super) fn next(&mut self, now: Instant) -> Option<Claimed> {
        while let Some(entry) = self.later.first_entry().filter(|entry| entry.key().0 <= now) {
            self.ready.push_back(entry.remove());
        }
        let key = self.ready.pop_front()?;
        self.waiting.get_mut(&key)?.pop_front()
    }

    /// When an event's time comes that waits for it.
    pub(super) fn next_time(&self) -> Option<Instant> {
        self.later.first_key_value().map(|((at, _), _)| *at)
    }

    /// The event in flight is stored.
    pub(super) fn done(&mut self, row: &Claimed) {
        let key = Key::of(row);
        self.leaves(row);
        if self.waiting.get(&key).is_some_and(|waiting| !waiting.is_empty()) {
            self.ready.push_back(key);
        } else {
            self.waiting.remove(&key);
        }
    }

    /// The event in flight has to be sent again, not before `at`.
    pub(super) fn again(&mut self, row: Claimed, at: Instant) {
        let key = Key::of(&row);
        self.waiting.entry(key.clone()).or_default().push_front(row);
        self.stamp += 1;
        self.later.insert((at, self.stamp), key);
    }

    /// The event in flight cannot be stored: it and what comes after it is left out. Returns what was
    /// already waiting behind it.
    pub(super) fn give_up(&mut self, row: &Claimed) -> Vec<Uuid> {
        let key = Key::of(row);
        self.leaves(row);
        let behind = self.waiting.remove(&key).unwrap_or_default();
        behind.iter().for_each(|row| self.leaves(row));
        self.given_up.insert(key);
        behind.into_iter().map(|row| row.id).collect()
    }

    fn leaves(&mut self, row: &Claimed) {
        (self.rows, self.bytes) = (self.rows - 1, self.bytes - row.payload.len());
    }

    /// Events that are here, those in flight included.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of their payloads.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::{Duration, Instant};

    use sea_mq_outbox::Claimed;
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::Line;

    fn row(n: u8, aggregate: Option<&str>) -> Claimed {
        Claimed {
            id: Uuid::from_u128(n.into()),
            subject: "a.event.b.v1".to_owned(),
            event_type: "b".to_owned(),
            event_version: 1,
            aggregate_type: None,
            aggregate_id: aggregate.map(str::to_owned),
            payload: "{}".to_owned(),
            occurred_at: OffsetDateTime::UNIX_EPOCH,
            correlation_id: Uuid::nil(),
            causation_id: None,
            trace_id: None,
            since: OffsetDateTime::UNIX_EPOCH,
            lane: 0,
            seq: n.into(),
            behind_parked: false,
        }
    }

    fn line(rows: &[(u8, Option<&str>)]) -> Line {
        let mut line = Line::default();
        assert!(rows.iter().all(|(n, aggregate)| line.push(row(*n, *aggregate))));
        line
    }

    fn sendable(line: &mut Line, now: Instant) -> Vec<Claimed> {
        std::iter::from_fn(|| line.next(now)).collect()
    }

    fn numbers(rows: &[Claimed]) -> Vec<i64> {
        rows.iter().map(|row| row.seq).collect()
    }

    #[test]
    fn one_of_each_aggregate_is_in_flight_and_the_others_follow_in_order() {
        let now = Instant::now();
        let mut line = line(&[(1, Some("x")), (2, Some("x")), (3, None), (4, None), (5, Some("y"))]);
        let sent = sendable(&mut line, now);
        assert_eq!(numbers(&sent), [1, 3, 4, 5]);
        assert!(line.push(row(6, Some("x"))));
        line.done(&sent[0]);
        let next = line.next(now).unwrap();
        assert_eq!(next.seq, 2);
        assert!(line.next(now).is_none());
        line.done(&next);
        assert_eq!(line.next(now).unwrap().seq, 6);
        assert_eq!((line.rows(), line.bytes()), (4, 8), "in flight they still count");
    }

    #[test]
    fn what_waits_for_its_time_holds_back_its_own_aggregate_only() {
        let now = Instant::now();
        let mut line = line(&[(1, Some("x")), (2, Some("x")), (3, Some("y"))]);
        let first = line.next(now).unwrap();
        let at = now + Duration::from_secs(5);
        line.again(first, at);
        assert_eq!(numbers(&sendable(&mut line, now)), [3]);
        assert_eq!(line.next_time(), Some(at));
        let again = line.next(at).unwrap();
        assert_eq!(again.seq, 1);
        line.done(&again);
        assert_eq!(line.next(at).unwrap().seq, 2);
    }

    #[test]
    fn what_comes_after_one_that_was_given_up_is_left_out() {
        let now = Instant::now();
        let mut line = line(&[(1, Some("x")), (2, Some("x")), (3, Some("y"))]);
        let first = line.next(now).unwrap();
        assert_eq!(line.give_up(&first), [Uuid::from_u128(2)]);
        assert!(!line.push(row(4, Some("x"))) && line.push(row(5, None)));
        assert_eq!(numbers(&sendable(&mut line, now)), [3, 5]);
        assert_eq!(line.rows(), 2);
    }
}
