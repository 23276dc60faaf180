//! How many events a call takes, for a handler that offers batches.

use std::time::{Duration, Instant};

use sea_mq_dispatch::{Capabilities, Outcome};
use sea_mq_inbox::Attempt;

use super::Running;
use super::calls::{Brought, Refused};
use super::group::Group;

/// What the handler offers is asked for again after so long: it may be another version by then.
const ASK_EVERY: Duration = Duration::from_secs(300);
/// And so soon when it did not say, or a batch came to nothing.
const ASK_UNCLEAR: Duration = Duration::from_secs(10);
/// No event waits longer to go out with others.
const GATHER: Duration = Duration::from_millis(20);
/// What waits goes out in no fewer calls than this, so that a handler works on several at a time. With as many
/// under way that end quickly, what comes meanwhile goes out together.
const CALLS: usize = 4;

/// What is known of the handler's offer.
#[derive(Debug)]
pub(super) struct Batching {
    most: Option<usize>,
    ask_at: Instant,
    /// Since when events wait to go out with others.
    gathering: Option<Instant>,
}

impl Batching {
    pub(super) fn new(now: Instant) -> Self {
        Self { most: None, ask_at: now, gathering: None }
    }

    /// How many of those that wait go out in the next call.
    pub(super) fn size(&self, waiting: usize) -> usize {
        self.most.map_or(1, |most| waiting.div_ceil(CALLS).clamp(1, most))
    }

    /// Whether it is better to wait for a call to end than to make one more: `fast` when one ends within
    /// milliseconds.
    fn gathers(&self, waiting: usize, running: usize, fast: bool) -> bool {
        fast && self.most.is_some_and(|most| running >= CALLS && waiting < most)
    }

    /// Takes them all, as far as one call may.
    fn all_of(&self, waiting: usize) -> usize {
        self.most.map_or(1, |most| waiting.clamp(1, most))
    }

    fn gather(&mut self, gathers: bool, now: Instant) {
        self.gathering = gathers.then(|| self.gathering.unwrap_or(now));
    }

    /// When what is gathered goes out at the latest.
    pub(super) fn gathered_at(&self) -> Option<Instant> {
        self.gathering.map(|since| since + GATHER)
    }

    fn is_overdue(&self, now: Instant) -> bool {
        self.gathered_at().is_some_and(|at| now >= at)
    }

    /// To be asked for then, if it is not before.
    pub(super) fn ask_by(&mut self, at: Instant) {
        self.ask_at = self.ask_at.min(at);
    }
}

impl Running {
    pub(super) fn start_asking(&mut self, now: Instant) {
        if self.slots.asking.is_some() || now < self.batching.ask_at || self.d.shared.book().pace.is_down() {
            return;
        }
        self.batching.ask_at = now + ASK_EVERY;
        let handler = self.d.handler.clone();
        self.slots.asking = Some(Box::pin(async move { handler.capabilities().await }));
    }

    pub(super) fn asked(&mut self, offered: Option<Capabilities>) {
        let Some(Capabilities { batch }) = offered else {
            return self.batching.ask_at = Instant::now() + ASK_UNCLEAR;
        };
        if batch != self.batching.most {
            tracing::info!(
                consumer = self.d.inbox.consumer(),
                ?batch,
                "events that the handler takes in one call"
            );
        }
        self.take_batches_of(batch);
    }

    fn take_batches_of(&mut self, most: Option<usize>) {
        self.batching.most = most;
        self.d.shared.book().pace.set_batches(most.is_some());
    }

    /// A call has ended.
    pub(super) fn brought(&mut self, Brought { attempts, ended, refused }: Brought) {
        self.d.shared.book().call_ended(attempts);
        let came_to_nothing =
            ended.iter().any(|one| one.whole && !matches!(one.outcome, Outcome::NotReached(_)));
        if came_to_nothing || refused.is_some() {
            // Else each batch would cost its events an attempt, for as long as it goes on like this.
            self.take_batches_of(None);
            self.batching.ask_by(Instant::now() + ASK_UNCLEAR);
        }
        for one in ended {
            self.ended(one);
        }
        if let Some(refused) = refused {
            self.call_singly(refused);
        }
    }

    fn call_singly(&mut self, Refused { attempts, instance, why }: Refused) {
        tracing::info!(
            consumer = self.d.inbox.consumer(),
            events = attempts.len(),
            why,
            "the handler did not take a batch: its events are called for one by one"
        );
        let now = Instant::now();
        for attempt in attempts {
            self.in_flight.remove(&(attempt.message_id, attempt.fence));
            // Others may have had the lanes of an earlier life.
            match instance == self.instance {
                true => self.singly.push_back(attempt),
                false => self.give_back(attempt.message_id, attempt.fence, now),
            }
        }
    }

    /// Whether one more call may start now.
    pub(super) fn may_call(&mut self, now: Instant) -> bool {
        let (room, fast) = {
            let book = self.d.shared.book();
            (book.pace.room(self.calls.len(), now), book.pace.is_fast(now))
        };
        let gathers = self.singly.is_empty()
            && !self.waiting.is_empty()
            && self.batching.gathers(self.waiting.len(), self.calls.len(), fast)
            && !self.batching.is_overdue(now);
        self.batching.gather(gathers, now);
        room > 0 && !gathers
    }

    /// How many events the next calls take, as many wait now.
    pub(super) fn call_size(&self, now: Instant) -> usize {
        match self.batching.is_overdue(now) {
            true => self.batching.all_of(self.waiting.len()),
            false => self.batching.size(self.waiting.len()),
        }
    }

    /// The attempts of the next call, which may be called for; none when nothing waits.
    pub(super) fn next_group(&mut self, size: usize, now: Instant) -> Vec<Attempt> {
        if let Some(one) = self.next_of(true, now) {
            return vec![one];
        }
        let mut group = Group::default();
        while group.is_open(size)
            && let Some(attempt) = self.next_of(false, now)
        {
            let is_probe = self.d.shared.book().is_probe(attempt.message_id);
            if let Some(back) = group.take(attempt, is_probe) {
                self.waiting.push_front(back);
            }
        }
        group.into_attempts()
    }

    /// The next that may be called for. What may not be any more goes back uncounted.
    fn next_of(&mut self, singly: bool, now: Instant) -> Option<Attempt> {
        loop {
            let attempt = if singly { self.singly.pop_front() } else { self.waiting.pop_front() }?;
            let may_be_called = self.d.shared.book().may_be_called(attempt.message_id);
            if may_be_called {
                return Some(attempt);
            }
            self.give_back(attempt.message_id, attempt.fence, now);
        }
    }

    /// Whether a call is free or not: the first in line that may not be called any more go back.
    pub(super) fn give_front_back(&mut self, now: Instant) {
        if let Some(first) = self.next_of(false, now) {
            self.waiting.push_front(first);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{Batching, GATHER};

    #[test]
    fn what_waits_goes_out_in_several_calls_as_large_as_offered() {
        let mut batching = Batching::new(Instant::now());
        assert_eq!((batching.size(0), batching.size(500)), (1, 1), "not offered");
        batching.most = Some(100);
        let sizes = [0, 1, 4, 5, 40, 400, 5000].map(|waiting| batching.size(waiting));
        assert_eq!(sizes, [1, 1, 1, 2, 10, 100, 100]);
    }

    #[test]
    fn events_are_gathered_only_while_calls_end_quickly_and_no_batch_is_full() {
        let mut batching = Batching::new(Instant::now());
        assert!(!batching.gathers(1, 25, true), "not offered");
        batching.most = Some(100);
        assert!(batching.gathers(1, 4, true) && batching.gathers(99, 4, true));
        assert!(!batching.gathers(100, 4, true), "a full one");
        assert!(!batching.gathers(1, 3, true), "few calls are under way");
        assert!(!batching.gathers(1, 4, false), "they may take for ever");
    }

    #[test]
    fn nothing_is_gathered_for_long() {
        let began = Instant::now();
        let mut batching = Batching::new(began);
        batching.most = Some(100);
        batching.gather(true, began);
        batching.gather(true, began + GATHER / 2);
        assert_eq!(batching.gathered_at(), Some(began + GATHER), "since the first");
        assert!(!batching.is_overdue(began + GATHER / 2) && batching.is_overdue(began + GATHER));
        assert_eq!((batching.all_of(30), batching.all_of(300)), (30, 100));
        batching.gather(false, began + GATHER);
        assert_eq!(batching.gathered_at(), None);
    }
}
