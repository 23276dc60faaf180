//! The attempts of one call: pure.

use std::collections::HashSet;

use sea_mq_inbox::Attempt;

/// A call is closed once it has so many bytes of payloads.
const FULL: usize = 4 * 1024 * 1024;

/// What goes out in one call. Only first attempts share one: an event that fails in a way that befalls the
/// whole call (a timeout, an error of the handler's own) costs the others one attempt and no more. Neither does
/// a probe, which shows whether a failing type is taken again, nor a second event of an aggregate: a redriven one
/// is exempt from its order.
#[derive(Debug, Default)]
pub(super) struct Group {
    attempts: Vec<Attempt>,
    aggregates: HashSet<(Option<String>, String)>,
    bytes: usize,
    closed: bool,
}

impl Group {
    /// Whether another may still come to it, in a call of so many.
    pub(super) fn is_open(&self, size: usize) -> bool {
        !self.closed && self.attempts.len() < size && self.bytes < FULL
    }

    /// Takes it in, or gives it back and takes nothing more.
    pub(super) fn take(&mut self, attempt: Attempt, is_probe: bool) -> Option<Attempt> {
        let shares = attempt.attempts == 1 && !is_probe;
        let aggregate = attempt.aggregate_id.clone().map(|id| (attempt.aggregate_type.clone(), id));
        let is_new = aggregate.is_none_or(|aggregate| self.aggregates.insert(aggregate));
        if !self.attempts.is_empty() && (!shares || !is_new) {
            self.closed = true;
            return Some(attempt);
        }
        self.bytes += attempt.body.len();
        self.closed = !shares;
        self.attempts.push(attempt);
        None
    }

    pub(super) fn into_attempts(self) -> Vec<Attempt> {
        self.attempts
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use sea_mq_inbox::Attempt;
    use uuid::Uuid;

    use super::{FULL, Group};

    fn attempt(n: u128, aggregate: Option<&str>) -> Attempt {
        Attempt {
            message_id: Uuid::from_u128(n),
            fence: 1,
            attempts: 1,
            subject: "vibespro.event.vibe_scored.v1".to_owned(),
            event_type: None,
            event_version: None,
            aggregate_type: None,
            aggregate_id: aggregate.map(str::to_owned),
            headers: Vec::new(),
            body: Bytes::from_static(b"{}"),
        }
    }

    /// Of the attempts in line, how many the first call takes when it may have so many.
    fn taken(line: Vec<(Attempt, bool)>, size: usize) -> usize {
        let mut group = Group::default();
        let mut line = line.into_iter();
        while group.is_open(size)
            && let Some((attempt, is_probe)) = line.next()
        {
            let id = attempt.message_id;
            if let Some(back) = group.take(attempt, is_probe) {
                assert!(back.message_id == id && !group.is_open(size));
            }
        }
        group.into_attempts().len()
    }

    #[test]
    fn first_attempts_share_a_call_of_the_size() {
        let line = || (1..=9).map(|n| (attempt(n, None), false)).collect::<Vec<_>>();
        assert_eq!([1, 4, 100].map(|size| taken(line(), size)), [1, 4, 9]);
        assert_eq!(taken(Vec::new(), 4), 0);
    }

    #[test]
    fn retries_and_probes_go_by_themselves() {
        let retry = |n| (Attempt { attempts: 2, ..attempt(n, None) }, false);
        let probe = |n| (attempt(n, None), true);
        let first = |n| (attempt(n, None), false);
        for alone in [retry, probe] {
            assert_eq!(taken(vec![alone(1), first(2)], 9), 1, "at the front");
            assert_eq!(taken(vec![first(1), first(2), alone(3), first(4)], 9), 2, "in the midst");
            assert_eq!(taken(vec![alone(1), alone(2)], 9), 1);
        }
    }

    #[test]
    fn no_call_has_two_events_of_an_aggregate() {
        let of = |n, id| (attempt(n, Some(id)), false);
        assert_eq!(taken(vec![of(1, "a"), of(2, "b"), of(3, "a"), of(4, "c")], 9), 2);
        let typed = (Attempt { aggregate_type: Some("case".to_owned()), ..attempt(2, Some("a")) }, false);
        assert_eq!(taken(vec![of(1, "a"), typed], 9), 2, "another type's");
    }

    #[test]
    fn a_call_is_closed_when_it_is_full() {
        let large = |n| (Attempt { body: vec![b'x'; FULL / 2].into(), ..attempt(n, None) }, false);
        assert_eq!(taken((1..=5).map(large).collect(), 9), 2);
    }
}
