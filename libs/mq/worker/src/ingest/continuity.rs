//! Whether messages of the stream were skipped: pure.
//!
//! The durable numbers its deliveries without a gap. As long as each delivery seen here has the
//! next number, nothing was delivered to anybody else, and everything that matches the filter has
//! been seen. Otherwise the range above the recorded sequence has to be read from the stream.

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

/// The recorded sequence of one incarnation, and the delivery that it was reached by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Continuity {
    recorded: u64,
    last_delivery: Option<u64>,
}

impl Continuity {
    /// Nothing is known of the durable's numbering yet.
    pub(super) fn from(recorded: u64) -> Self {
        Self { recorded, last_delivery: None }
    }

    pub(super) fn recorded(&self) -> u64 {
        self.recorded
    }

    /// Judges the next delivery and takes its number as seen.
    pub(super) fn judge(&mut self, stream_seq: u64, consumer_seq: u64) -> Before {
        let follows = self.last_delivery.is_some_and(|last| consumer_seq == last + 1);
        self.last_delivery = Some(self.last_delivery.map_or(consumer_seq, |last| last.max(consumer_seq)));
        if stream_seq <= self.recorded {
            Before::Seen
        } else if follows || stream_seq == self.recorded + 1 {
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
mod tests {
    use super::{Before, Continuity};

    #[test]
    fn the_first_delivery_after_a_take_over_reads_what_lies_between() {
        let mut continuity = Continuity::from(10);
        assert_eq!(continuity.judge(15, 40), Before::Read { from: 11, to: 14 });
        let mut at_the_edge = Continuity::from(10);
        assert_eq!(at_the_edge.judge(11, 40), Before::Nothing);
    }

    #[test]
    fn a_filter_skips_sequences_and_is_no_gap() {
        let mut continuity = Continuity::from(0);
        assert_eq!(continuity.judge(1, 1), Before::Nothing);
        continuity.advance(1);
        assert_eq!(continuity.judge(5, 2), Before::Nothing);
        continuity.advance(5);
        assert_eq!(continuity.recorded(), 5);
    }

    #[test]
    fn a_jump_in_the_numbering_is_a_gap() {
        let mut continuity = Continuity::from(0);
        continuity.judge(1, 1);
        continuity.advance(1);
        assert_eq!(continuity.judge(5, 4), Before::Read { from: 2, to: 4 });
    }

    #[test]
    fn redeliveries_are_seen_and_break_nothing() {
        let mut continuity = Continuity::from(0);
        for seq in 1..=3 {
            assert_eq!(continuity.judge(seq, seq), Before::Nothing);
            continuity.advance(seq);
        }
        assert_eq!(continuity.judge(2, 4), Before::Seen);
        assert_eq!(continuity.judge(9, 5), Before::Nothing);
    }
}
