use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// How long a pull request stays open at the server.
pub(crate) const EXPIRES: Duration = Duration::from_secs(5);
/// How often the server shows that an open request lives; at most half of [`EXPIRES`].
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(1);
/// After this silence an open request is taken for lost.
pub(crate) const SILENCE: Duration = Duration::from_millis(2_500);
/// A request is over at the latest this long after it expired.
const GRACE: Duration = Duration::from_secs(1);

/// Books of the pull requests: how many messages the server may still send unasked.
///
/// Messages do not say which request they answer, endings do. So the total is kept exactly, and the
/// single request only for the endings that do not say what was left. Whatever is lost on the way,
/// the books are right again when the last request has expired.
#[derive(Debug)]
pub(crate) struct Ledger {
    outstanding: usize,
    requests: VecDeque<Request>,
    next_number: u64,
    last_heard: Instant,
    /// How often in a row open requests were lost without a sign of life.
    silences: u32,
}

#[derive(Debug)]
struct Request {
    number: u64,
    batch: usize,
    over_at: Instant,
}

impl Ledger {
    pub(crate) fn new(now: Instant) -> Self {
        Self { outstanding: 0, requests: VecDeque::new(), next_number: 1, last_heard: now, silences: 0 }
    }

    /// Messages that were asked for and neither came nor ended.
    pub(crate) fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// How many to ask for so that `want` are outstanding; `None` while more than half still are,
    /// so that a trickle does not cost a request for each message.
    pub(crate) fn demand(&self, want: usize) -> Option<usize> {
        (self.outstanding * 2 <= want && want > self.outstanding).then(|| want - self.outstanding)
    }

    /// Books a request, and gives it its number.
    pub(crate) fn asked(&mut self, batch: usize, now: Instant) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        if self.outstanding == 0 {
            // Nothing could be heard before: the silence is measured from here.
            self.last_heard = now;
        }
        self.outstanding += batch;
        self.requests.push_back(Request { number, batch, over_at: now + EXPIRES + GRACE });
        number
    }

    /// Books one message.
    pub(crate) fn delivered(&mut self, now: Instant) {
        self.alive(now);
        self.outstanding = self.outstanding.saturating_sub(1);
    }

    /// Books a sign of life.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.alive(now);
    }

    /// Books the end of a request. `left` is what it still had, when the server said so; otherwise
    /// it was turned away whole.
    pub(crate) fn ended(&mut self, number: Option<u64>, left: Option<usize>, now: Instant) {
        self.alive(now);
        let at = self.requests.iter().position(|request| Some(request.number) == number);
        // An ending of a request that is not booked is from before a reset.
        let Some(request) = at.and_then(|at| self.requests.remove(at)) else { return };
        let gone = left.unwrap_or(request.batch).min(request.batch);
        self.outstanding = self.outstanding.saturating_sub(gone);
    }

    /// Forgets everything: what still comes is welcome, and was not counted on.
    pub(crate) fn reset(&mut self) {
        self.outstanding = 0;
        self.requests.clear();
    }

    /// Drops what is over by the clock.
    pub(crate) fn expire(&mut self, now: Instant) {
        while self.requests.front().is_some_and(|request| request.over_at <= now) {
            self.requests.pop_front();
        }
        if self.requests.is_empty() {
            self.outstanding = 0;
        }
    }

    /// When the open requests are to be taken for lost; `None` when none is open. What arrived while
    /// nobody listened has to be booked first: it waits in the inbox.
    pub(crate) fn lost_at(&self) -> Option<Instant> {
        (self.outstanding > 0).then(|| self.last_heard + SILENCE)
    }

    /// Books the loss of the open requests, and says how often in a row that happened.
    pub(crate) fn lost(&mut self) -> u32 {
        self.reset();
        self.silences += 1;
        self.silences
    }

    fn alive(&mut self, now: Instant) {
        self.last_heard = now;
        self.silences = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{EXPIRES, GRACE, Ledger, SILENCE};

    #[test]
    fn tops_up_to_what_is_wanted_and_never_beyond() {
        let now = Instant::now();
        let mut ledger = Ledger::new(now);
        assert_eq!(ledger.demand(0), None);
        assert_eq!(ledger.demand(50), Some(50));
        ledger.asked(50, now);
        assert_eq!(ledger.demand(50), None);
        (0..24).for_each(|_| ledger.delivered(now));
        assert_eq!((ledger.outstanding(), ledger.demand(50)), (26, None));
        ledger.delivered(now);
        assert_eq!(ledger.demand(50), Some(25));
        assert_eq!(ledger.demand(10), None);
    }

    #[test]
    fn endings_are_booked_exactly() {
        let now = Instant::now();
        let mut ledger = Ledger::new(now);
        let first = ledger.asked(10, now);
        let second = ledger.asked(5, now);
        (0..4).for_each(|_| ledger.delivered(now));
        ledger.ended(Some(first), Some(6), now);
        assert_eq!(ledger.outstanding(), 5);
        ledger.ended(Some(first), Some(6), now);
        assert_eq!(ledger.outstanding(), 5, "the same ending twice");
        ledger.ended(Some(second), None, now);
        assert_eq!(ledger.outstanding(), 0);
        ledger.delivered(now);
        assert_eq!(ledger.outstanding(), 0, "a late message is welcome");
    }

    #[test]
    fn an_ending_from_before_a_reset_changes_nothing() {
        let now = Instant::now();
        let mut ledger = Ledger::new(now);
        let old = ledger.asked(10, now);
        ledger.reset();
        ledger.asked(7, now);
        ledger.ended(Some(old), Some(10), now);
        assert_eq!(ledger.outstanding(), 7);
    }

    #[test]
    fn silence_and_the_clock_heal_the_books() {
        let now = Instant::now();
        let mut ledger = Ledger::new(now);
        assert_eq!(ledger.lost_at(), None);
        let asked = now + Duration::from_secs(60);
        ledger.asked(3, asked);
        assert_eq!(ledger.lost_at(), Some(asked + SILENCE), "silence counts from the request");
        ledger.heard(asked + EXPIRES);
        assert_eq!(ledger.lost_at(), Some(asked + EXPIRES + SILENCE));
        assert_eq!((ledger.lost(), ledger.outstanding()), (1, 0));
        ledger.asked(3, now);
        assert_eq!(ledger.lost(), 2);
        ledger.asked(3, now);
        ledger.delivered(now);
        assert_eq!(ledger.lost(), 1, "a message is a sign of life");
        ledger.asked(3, now);
        ledger.expire(now + EXPIRES);
        assert_eq!(ledger.outstanding(), 3);
        ledger.expire(now + EXPIRES + GRACE);
        assert_eq!(ledger.outstanding(), 0);
    }
}
