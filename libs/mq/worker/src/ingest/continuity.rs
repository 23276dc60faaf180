//! Whether messages of the stream were skipped: pure.
//!
//! The server delivers each message for the first time in stream order, and numbers all deliveries,
//! repeated ones too, without a gap. So from one first delivery to the next nothing lies between, if
//! every number between them was seen here. Any other delivery says nothing about what lies between
//! it and what is recorded: others may have been sent that. Then the range is read from the stream.

/// What to do before a delivery is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// It follows what is recorded.
    Nothing,
    /// It is recorded already, as far as is known.
    Seen,
    /// Read this range, both ends included, first.
    Read {
        /// First sequence.
        from: u64,
        /// Last sequence.
        to: u64,
    },
}

/// The recorded sequence of one incarnation, and how far the numbering was followed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Continuity {
    recorded: u64,
    /// The last number of an unbroken row that began with a first delivery.
    followed: Option<u64>,
}

impl Continuity {
    /// Nothing is known of the durable's numbering yet.
    pub(super) fn from(recorded: u64) -> Self {
        Self { recorded, followed: None }
    }

    pub(super) fn recorded(&self) -> u64 {
        self.recorded
    }

    /// Judges the next delivery and takes its number as seen. `first`: it was never delivered before.
    pub(super) fn judge(&mut self, stream_seq: u64, consumer_seq: u64, first: bool) -> Before {
        let unbroken = self.followed.is_some_and(|last| consumer_seq == last + 1);
        self.followed = (first || unbroken).then_some(consumer_seq);
        if stream_seq <= self.recorded {
            Before::Seen
        } else if (first && unbroken) || stream_seq == self.recorded + 1 {
            Before::Nothing
        } else {
            Before::Read { from: self.recorded + 1, to: stream_seq - 1 }
        }
    }

    /// Everything up to `stream_seq` is recorded, or about to be.
    pub(super) fn advance(&mut self, stream_seq: u64) {
        self.recorded = self.recorded.max(stream_seq);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{Before, Continuity};

    #[test]
    fn the_first_delivery_after_a_take_over_reads_what_lies_between() {
        let mut continuity = Continuity::from(10);
        assert_eq!(continuity.judge(15, 40, true), Before::Read { from: 11, to: 14 });
        let mut at_the_edge = Continuity::from(10);
        assert_eq!(at_the_edge.judge(11, 40, true), Before::Nothing);
    }

    #[test]
    fn a_filter_skips_sequences_and_is_no_gap() {
        let mut continuity = Continuity::from(0);
        assert_eq!(continuity.judge(1, 1, true), Before::Nothing);
        continuity.advance(1);
        assert_eq!(continuity.judge(5, 2, true), Before::Nothing);
        continuity.advance(5);
        assert_eq!(continuity.recorded(), 5);
    }

    #[test]
    fn a_jump_in_the_numbering_is_a_gap() {
        let mut continuity = Continuity::from(0);
        continuity.judge(1, 1, true);
        continuity.advance(1);
        assert_eq!(continuity.judge(5, 4, true), Before::Read { from: 2, to: 4 });
    }

    #[test]
    fn redeliveries_are_seen_and_break_nothing() {
        let mut continuity = Continuity::from(0);
        for seq in 1..=3 {
            assert_eq!(continuity.judge(seq, seq, true), Before::Nothing);
            continuity.advance(seq);
        }
        assert_eq!(continuity.judge(2, 4, false), Before::Seen);
        assert_eq!(continuity.judge(9, 5, true), Before::Nothing);
    }

    /// A predecessor was sent 1 to 50, recorded 6 of them, acked none and froze.
    #[test]
    fn what_follows_a_redelivery_is_no_proof() {
        for redelivered in [6, 7] {
            let mut continuity = Continuity::from(6);
            assert!(!matches!(continuity.judge(redelivered, 51, false), Before::Read { .. }));
            continuity.advance(redelivered);
            let from = continuity.recorded() + 1;
            assert_eq!(continuity.judge(51, 52, true), Before::Read { from, to: 50 });
        }
    }

    /// What the server may do next.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Deliver { here: bool },
        Redeliver { which: usize, here: bool },
        Ack { which: usize },
        TakeOver,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => any::<bool>().prop_map(|here| Step::Deliver { here }),
            3 => (0..50_usize, any::<bool>()).prop_map(|(which, here)| Step::Redeliver { which, here }),
            2 => (0..50_usize).prop_map(|which| Step::Ack { which }),
            1 => Just(Step::TakeOver),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        /// Some deliveries come here, others go to somebody who never records them; every third
        /// message does not match. Recording is in stream order, and leaves no hole.
        #[test]
        fn recorded_in_order_without_a_hole(steps in prop::collection::vec(step(), 0..120)) {
            let matches = |seq: u64| !seq.is_multiple_of(3);
            let (mut cursor, mut number) = (0, 0);
            let mut pending: Vec<u64> = Vec::new();
            let mut recorded: Vec<u64> = Vec::new();
            let mut continuity = Continuity::from(0);
            for step in steps {
                let (seq, first, here) = match step {
                    Step::Deliver { here } => {
                        cursor = (cursor + 1..).find(|seq| matches(*seq)).unwrap();
                        pending.push(cursor);
                        (cursor, true, here)
                    }
                    Step::Redeliver { which, here } if !pending.is_empty() => {
                        (pending[which % pending.len()], false, here)
                    }
                    Step::Ack { which } if !pending.is_empty() => {
                        let which = which % pending.len();
                        if recorded.contains(&pending[which]) {
                            pending.remove(which);
                        }
                        continue;
                    }
                    Step::TakeOver => {
                        continuity = Continuity::from(continuity.recorded());
                        continue;
                    }
                    Step::Redeliver { .. } | Step::Ack { .. } => continue,
                };
                number += 1;
                if !here {
                    continue;
                }
                if let Before::Read { from, to } = continuity.judge(seq, number, first) {
                    recorded.extend((from..=to).filter(|seq| matches(*seq)));
                    continuity.advance(to);
                }
                continuity.advance(seq);
                if !recorded.contains(&seq) {
                    recorded.push(seq);
                }
                prop_assert!(recorded.is_sorted(), "{recorded:?}");
                let whole: BTreeSet<u64> = (1..=continuity.recorded()).filter(|seq| matches(*seq)).collect();
                prop_assert_eq!(recorded.iter().copied().collect::<BTreeSet<_>>(), whole);
            }
        }
    }
}
