//! Which acks count: pure.
//!
//! A stream that is deleted and created again under its name is another *incarnation*, and what only
//! the former one held is gone. So an ack counts for the incarnation that its event was sent to, and
//! only as long as that one is known to exist:
//!
//! ```text
//!  sent to A ──acked, A exists──▶ to mark for A ──A exists──▶ marked with A
//!                 │                    │
//!                 │ B exists           │ B exists
//!                 ▼                    ▼
//!              sent again, to B: the row stays ready until B has it
//! ```
//!
//! What was marked with A before B was known of stays so: the row says truthfully who stored it.

use sea_mq_outbox::Published;
use sea_mq_stream::Stored;
use time::OffsetDateTime;

/// What an event was sent to.
#[derive(Clone, Copy, Debug)]
pub(super) struct SentTo {
    incarnation: OffsetDateTime,
    /// The highest sequence that was stored by then, as far as is known: the event's own must be higher.
    pub(super) after: u64,
}

/// A row that is stored and not yet marked.
#[derive(Clone, Copy, Debug)]
pub(super) struct ToMark {
    pub(super) row: Published,
    pub(super) lane: i16,
    pub(super) seq: i64,
}

/// Rows to mark together.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) incarnation: OffsetDateTime,
    pub(super) rows: Vec<ToMark>,
}

/// What an ack is worth.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ack {
    /// The row is to be marked.
    Counts,
    /// The stream is not the one any more that the event was sent to: it is sent again.
    OfAnotherStream,
    /// Its sequence was given to another event before: the stream is not the same any more, or has lost what
    /// it had stored. Look at it.
    OutOfSequence,
}

/// What a look at the stream showed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// The stream, for the first time.
    First,
    /// The one that was known before.
    Same,
    /// Another one.
    Recreated {
        /// Lane and sequence of the rows whose acks do not count any more.
        void: Vec<(i16, i64)>,
    },
}

/// The acks of the present incarnation that wait for their mark.
#[derive(Debug, Default)]
pub(super) struct Acks {
    /// The last one that was seen: all of `to_mark` was sent to it.
    last: Option<OffsetDateTime>,
    /// It may have been replaced since.
    in_doubt: bool,
    /// The highest sequence that it has acknowledged, or said to have stored.
    highest: u64,
    to_mark: Vec<ToMark>,
}

impl Acks {
    /// What an event that is sent now goes to; `None` while that is not known.
    pub(super) fn sending_to(&self) -> Option<SentTo> {
        let incarnation = self.last.filter(|_| !self.in_doubt)?;
        Some(SentTo { incarnation, after: self.highest })
    }

    /// The stream may have been replaced.
    pub(super) fn forget(&mut self) {
        (self.in_doubt, self.highest) = (true, 0);
    }

    /// The stream that exists was created then, and had stored up to `last_seq` when it was looked at.
    pub(super) fn seen(&mut self, created: OffsetDateTime, last_seq: u64) -> Seen {
        self.in_doubt = false;
        let before = self.last.replace(created);
        if before.is_some_and(|before| before != created) {
            self.highest = last_seq;
            return Seen::Recreated { void: self.to_mark.drain(..).map(place).collect() };
        }
        self.highest = self.highest.max(last_seq);
        if before.is_none() { Seen::First } else { Seen::Same }
    }

    /// Takes an ack in. What counts waits for its mark.
    pub(super) fn acked(&mut self, to: SentTo, stored: &Stored, row: ToMark) -> Ack {
        if self.last != Some(to.incarnation) {
            return Ack::OfAnotherStream;
        }
        // A duplicate has the sequence of its first copy. In doubt nothing is followed: a look decides.
        if !stored.duplicate && !self.in_doubt {
            if stored.sequence <= to.after {
                return Ack::OutOfSequence;
            }
            self.highest = self.highest.max(stored.sequence);
        }
        self.to_mark.push(row);
        Ack::Counts
    }

    /// The next rows to mark, at most `most`; none while the stream is in doubt.
    pub(super) fn next_group(&mut self, most: usize) -> Option<Group> {
        let incarnation = self.last.filter(|_| !self.in_doubt && !self.to_mark.is_empty())?;
        let count = self.to_mark.len().min(most);
        Some(Group { incarnation, rows: self.to_mark.drain(..count).collect() })
    }

    /// Rows that could not be marked wait again. Returns lane and sequence of those whose stream is
    /// not there any more.
    pub(super) fn again(&mut self, group: Group) -> Vec<(i16, i64)> {
        if self.last != Some(group.incarnation) {
            return group.rows.into_iter().map(place).collect();
        }
        self.to_mark.extend(group.rows);
        Vec::new()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.to_mark.is_empty()
    }
}

fn place(row: ToMark) -> (i16, i64) {
    (row.lane, row.seq)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use sea_mq_outbox::Published;
    use sea_mq_stream::Stored;
    use time::{Duration, OffsetDateTime};
    use uuid::Uuid;

    use super::{Ack, Acks, Seen, ToMark};

    const A: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn b() -> OffsetDateTime {
        A + Duration::seconds(1)
    }

    fn row(seq: i64) -> ToMark {
        ToMark { row: Published { id: Uuid::nil(), stream_seq: seq, attempts: 1 }, lane: 3, seq }
    }

    fn stored(sequence: u64, duplicate: bool) -> Stored {
        Stored { stream: "S".to_owned(), sequence, duplicate }
    }

    fn of_a() -> Acks {
        let mut acks = Acks::default();
        assert!(acks.sending_to().is_none(), "nothing is sent before the stream is known");
        assert_eq!(acks.seen(A, 0), Seen::First);
        acks
    }

    #[test]
    fn acks_are_marked_with_the_incarnation_that_they_came_from() {
        let mut acks = of_a();
        let to = acks.sending_to().unwrap();
        assert_eq!(acks.acked(to, &stored(1, false), row(1)), Ack::Counts);
        assert_eq!(acks.seen(A, 0), Seen::Same);
        let group = acks.next_group(10).unwrap();
        assert_eq!((group.incarnation, group.rows.len(), acks.is_empty()), (A, 1, true));
    }

    #[test]
    fn acks_of_a_former_incarnation_do_not_count() {
        let mut acks = of_a();
        let (first, second) = (acks.sending_to().unwrap(), acks.sending_to().unwrap());
        acks.acked(first, &stored(1, false), row(1));
        acks.forget();
        assert!(acks.sending_to().is_none() && acks.next_group(10).is_none(), "in doubt");
        assert_eq!(acks.seen(b(), 0), Seen::Recreated { void: vec![(3, 1)] });
        assert_eq!(acks.acked(second, &stored(2, false), row(2)), Ack::OfAnotherStream);
        assert!(acks.is_empty());
        let to = acks.sending_to().unwrap();
        assert_eq!(acks.acked(to, &stored(1, false), row(1)), Ack::Counts, "it counts from one again");
        assert_eq!(acks.next_group(10).unwrap().incarnation, b());
    }

    #[test]
    fn a_doubt_that_was_unfounded_costs_nothing() {
        let mut acks = of_a();
        let (first, second) = (acks.sending_to().unwrap(), acks.sending_to().unwrap());
        acks.acked(first, &stored(7, false), row(1));
        acks.forget();
        assert_eq!(acks.acked(second, &stored(8, false), row(2)), Ack::Counts);
        assert_eq!(acks.seen(A, 0), Seen::Same);
        assert_eq!(acks.next_group(10).unwrap().rows.len(), 2);
    }

    #[test]
    fn a_sequence_that_does_not_rise_is_looked_into() {
        let mut acks = of_a();
        let first = acks.sending_to().unwrap();
        acks.acked(first, &stored(5, false), row(1));
        let second = acks.sending_to().unwrap();
        assert_eq!(acks.acked(second, &stored(3, true), row(2)), Ack::Counts, "a duplicate's is the first's");
        assert_eq!(acks.acked(first, &stored(2, false), row(3)), Ack::Counts, "sent together, in any order");
        assert_eq!(acks.acked(second, &stored(5, false), row(4)), Ack::OutOfSequence);
        assert_eq!(acks.next_group(10).unwrap().rows.len(), 3, "and is sent again");
    }

    #[test]
    fn a_sequence_that_the_stream_had_given_before_does_not_count() {
        let mut acks = of_a();
        acks.acked(acks.sending_to().unwrap(), &stored(5, false), row(1));
        let early = acks.sending_to().unwrap();
        acks.forget();
        assert_eq!(acks.seen(A, 7), Seen::Same);
        let late = acks.sending_to().unwrap();
        assert_eq!(acks.acked(early, &stored(7, false), row(2)), Ack::Counts, "sent before the look");
        assert_eq!(acks.acked(late, &stored(7, false), row(3)), Ack::OutOfSequence);
        assert_eq!(acks.acked(late, &stored(7, true), row(3)), Ack::Counts, "it was looked for there");
        assert_eq!(acks.acked(late, &stored(8, false), row(4)), Ack::Counts);
        acks.forget();
        assert_eq!(acks.seen(A, 3), Seen::Same, "it went back");
        assert_eq!(acks.acked(acks.sending_to().unwrap(), &stored(4, false), row(5)), Ack::Counts);
    }

    #[test]
    fn a_mark_that_failed_is_tried_again_for_the_same_incarnation_only() {
        let mut acks = of_a();
        let to = acks.sending_to().unwrap();
        acks.acked(to, &stored(1, false), row(1));
        let group = acks.next_group(10).unwrap();
        assert_eq!(acks.again(group), []);
        let group = acks.next_group(10).unwrap();
        acks.seen(b(), 0);
        assert_eq!(acks.again(group), [(3, 1)]);
        assert!(acks.next_group(10).is_none());
    }

    #[test]
    fn groups_are_bounded() {
        let mut acks = of_a();
        let to = acks.sending_to().unwrap();
        for seq in 1..=5_u32 {
            acks.acked(to, &stored(u64::from(seq), false), row(i64::from(seq)));
        }
        let sizes: Vec<usize> =
            std::iter::from_fn(|| acks.next_group(2).map(|group| group.rows.len())).collect();
        assert_eq!(sizes, [2, 2, 1]);
    }
}
