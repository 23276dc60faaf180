//! Which published events the stream does not hold.

use std::collections::BinaryHeap;

use sea_mq_outbox::{Outbox, OutboxError, PublishedQuery, PublishedRow};
use time::OffsetDateTime;
use uuid::Uuid;

use super::held::Held;
use super::progress::Progress;

/// Pages of the table that one statement reads: 16 MiB.
const PAGES: i64 = 2048;
/// Missing events that are taken at a time, the earliest in the outbox's order; then it is searched
/// again for those after them. 24 bytes each.
const MOST: usize = 500_000;

/// What a pass over the outbox found.
pub(super) struct Found {
    /// Place in the outbox's order and id of the first missing events, in order.
    pub(super) rows: Vec<(i64, Uuid)>,
    /// There are more behind the last of them.
    pub(super) more: bool,
    pub(super) tally: Tally,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Published events in question.
    pub(super) looked_at: u64,
    /// Of them, those that another incarnation of the stream has stored, or another stream.
    pub(super) elsewhere: u64,
    /// Of them, those that this incarnation has stored and does not hold any more.
    pub(super) gone: u64,
    /// Of the missing ones, those that a consumer may have forgotten by the time it gets them: they are left
    /// out.
    pub(super) too_old: u64,
    /// When the oldest of all was published.
    pub(super) oldest: Option<OffsetDateTime>,
}

/// Reads all of the outbox once. What was due before the horizon is counted and left out.
pub(super) async fn find(
    outbox: &Outbox,
    query: &PublishedQuery,
    held: &Held,
    horizon: OffsetDateTime,
    progress: &mut Progress,
) -> Result<Found, OutboxError> {
    let mut search = Search::new(MOST, horizon);
    let (mut from, end) = (0, outbox.pages().await?);
    while from < end {
        for row in outbox.published_in(from..from + PAGES, query).await? {
            search.look_at(&row, held);
        }
        from += PAGES;
        progress.tell(|| format!("searching the outbox: {} events so far", search.tally.looked_at));
    }
    Ok(search.found())
}

struct Search {
    /// The largest on top: the first to be left for the next pass.
    first: BinaryHeap<(i64, Uuid)>,
    most: usize,
    horizon: OffsetDateTime,
    more: bool,
    tally: Tally,
}

impl Search {
    fn new(most: usize, horizon: OffsetDateTime) -> Self {
        Self { first: BinaryHeap::new(), most, horizon, more: false, tally: Tally::default() }
    }

    fn look_at(&mut self, row: &PublishedRow, held: &Held) {
        self.tally.looked_at += 1;
        self.tally.oldest =
            Some(self.tally.oldest.map_or(row.published_at, |oldest| oldest.min(row.published_at)));
        match row.stream_seq {
            None => self.tally.elsewhere += 1,
            Some(seq) if held.holds(seq, row.id) => return,
            Some(_) => self.tally.gone += 1,
        }
        if row.due_at < self.horizon {
            self.tally.too_old += 1;
            return;
        }
        self.first.push((row.seq, row.id));
        if self.first.len() > self.most {
            self.first.pop();
            self.more = true;
        }
    }

    fn found(self) -> Found {
        let mut rows = self.first.into_sorted_vec();
        // A row that was marked meanwhile may have been seen twice.
        rows.dedup();
        Found { rows, more: self.more, tally: self.tally }
    }
}

#[cfg(test)]
mod tests {
    use sea_mq_outbox::PublishedRow;
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::{Held, Search};

    #[test]
    fn the_first_ones_are_taken_and_all_are_counted() {
        let horizon = OffsetDateTime::UNIX_EPOCH;
        let mut search = Search::new(2, horizon);
        let look = |search: &mut Search, seq: i64, stream_seq, due_at| {
            let id = Uuid::from_u128(seq.unsigned_abs().into());
            let row = PublishedRow { id, seq, published_at: horizon, due_at, stream_seq };
            search.look_at(&row, &Held::default());
        };
        for (seq, stream_seq) in [(9, Some(4)), (3, None), (7, Some(1)), (5, None)] {
            look(&mut search, seq, stream_seq, horizon);
        }
        assert_eq!(search.tally.too_old, 0);
        look(&mut search, 1, None, horizon - time::Duration::SECOND);
        let found = search.found();
        assert_eq!(found.rows.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [3, 5]);
        assert!(found.more);
        assert_eq!(found.tally.too_old, 1, "and it is not among the first");
        assert_eq!((found.tally.looked_at, found.tally.elsewhere, found.tally.gone), (5, 3, 2));
    }
}
