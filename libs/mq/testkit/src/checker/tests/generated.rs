//! Good histories of two contexts that tell each other what happened.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::history::{
    Aggregate, CommittedEvent, DeadLetter, Effect, Guarantee, History, InboxEntry, InboxState, OutboxState,
    Place, Reading, StreamedEvent, Subscription,
};

pub(super) const CONTEXTS: [&str; 2] = ["vibespro", "sea"];

/// Numbers that look random, the same for each seed.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// 0 to `sides - 1`.
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides.max(1)
    }

    pub(super) fn one_in(&mut self, times: usize) -> bool {
        self.roll(times) == 0
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        (!from.is_empty()).then(|| &from[self.roll(from.len())])
    }
}

pub(super) fn stream_of(context: &str) -> String {
    format!("{}_EVENTS", context.to_uppercase())
}

/// The consumer of what that context publishes, and the context that it belongs to.
pub(super) fn consumer_of(context: &str) -> (String, &'static str) {
    let other = if context == CONTEXTS[0] { CONTEXTS[1] } else { CONTEXTS[0] };
    (format!("{other}__from_{context}"), other)
}

/// What becomes of an event.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Processed,
    /// Its handler does it, and commits an event of its own.
    Causes,
    /// Its handler settles it without an effect.
    Skipped,
    Dead,
    /// Died once or twice, and was redriven.
    Redriven,
    Parked,
    Scheduled,
}

struct Pending {
    id: Uuid,
    context: &'static str,
    aggregate: Option<Aggregate>,
    correlation_id: Uuid,
    causation_id: Option<Uuid>,
    fate: Fate,
}

/// Makes one history.
struct Maker {
    dice: Dice,
    history: History,
    /// Of each context: outbox rows, messages, inbox rows, letters so far; effects count with the rows.
    counts: BTreeMap<(&'static str, &'static str), u64>,
    parked: BTreeSet<(&'static str, Aggregate)>,
    queue: VecDeque<Pending>,
    late: Vec<Effect>,
    ids: u128,
    aggregates: usize,
}

/// Aggregates that have half of all events, and are never parked.
const HOT: usize = 3;

fn is_hot(aggregate: &Aggregate) -> bool {
    aggregate.id.parse().is_ok_and(|n: usize| n <= HOT)
}

/// A history that keeps every promise, of `events` events and those that they cause.
pub(super) fn good(seed: u64, events: usize) -> History {
    let mut maker = Maker {
        dice: Dice::new(seed),
        history: History::default(),
        counts: BTreeMap::new(),
        parked: BTreeSet::new(),
        queue: VecDeque::new(),
        late: Vec::new(),
        ids: u128::from(seed) << 32,
        aggregates: 5 + events / 50,
    };
    maker.subscribe();
    for _ in 0..events {
        maker.root();
        while let Some(event) = maker.queue.pop_front() {
            maker.live(event);
        }
    }
    maker.finish()
}

impl Maker {
    fn subscribe(&mut self) {
        for context in CONTEXTS {
            self.history.subscriptions.push(Subscription {
                consumer: consumer_of(context).0,
                stream: stream_of(context),
                filter: format!("{context}.event.>"),
                guarantee: Guarantee::Joined,
            });
        }
        self.history.foreign = Some(BTreeSet::new());
    }

    fn next(&mut self, context: &'static str, what: &'static str) -> u64 {
        let count = self.counts.entry((context, what)).or_default();
        *count += 1;
        *count
    }

    fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    fn aggregate(&mut self) -> Option<Aggregate> {
        let n = if self.dice.one_in(2) { self.dice.roll(HOT + 1) } else { self.dice.roll(self.aggregates) };
        (n > 0).then(|| Aggregate { kind: "thing".to_owned(), id: n.to_string() })
    }

    fn fate(&mut self) -> Fate {
        match self.dice.roll(24) {
            0..=11 => Fate::Processed,
            12..=17 => Fate::Causes,
            18 => Fate::Skipped,
            19 | 20 => Fate::Dead,
            21 | 22 => Fate::Redriven,
            // Parking stops its aggregate for good: rarely, and never a hot one.
            23 if self.dice.one_in(6) => Fate::Parked,
            23 if self.dice.one_in(2) => Fate::Scheduled,
            _often => Fate::Processed,
        }
    }

    fn root(&mut self) {
        let (id, context) = (self.id(), CONTEXTS[self.dice.roll(2)]);
        let (aggregate, fate) = (self.aggregate(), self.fate());
        self.queue.push_back(Pending {
            id,
            context,
            aggregate,
            correlation_id: id,
            causation_id: None,
            fate,
        });
    }

    fn caused_by(&mut self, cause: &Pending) {
        let (id, aggregate, fate) = (self.id(), self.aggregate(), self.fate());
        self.history.expects_caused.insert(cause.id);
        self.queue.push_back(Pending {
            id,
            context: consumer_of(cause.context).1,
            aggregate,
            correlation_id: cause.correlation_id,
            causation_id: Some(cause.id),
            fate,
        });
    }

    fn live(&mut self, event: Pending) {
        let subject = format!("{}.event.thing_done.v1", event.context);
        let state = self.outbox_state(&event);
        let stored = (state == OutboxState::Published).then(|| Place {
            stream: stream_of(event.context),
            incarnation: OffsetDateTime::UNIX_EPOCH,
            seq: self.next(event.context, "messages"),
        });
        let seq = self.next(event.context, "rows") as i64;
        self.history.committed.push(CommittedEvent {
            id: event.id,
            context: event.context.to_owned(),
            subject: subject.clone(),
            aggregate: event.aggregate.clone(),
            seq,
            correlation_id: event.correlation_id,
            causation_id: event.causation_id,
            recorded_at: OffsetDateTime::UNIX_EPOCH + Duration::milliseconds(seq),
            state,
            stored: stored.clone(),
        });
        if let Some(place) = stored {
            self.history.streamed.push(StreamedEvent { id: event.id, subject, place: place.clone() });
            self.consume(&event, place);
        }
    }

    fn outbox_state(&mut self, event: &Pending) -> OutboxState {
        let key = event.aggregate.clone().map(|aggregate| (event.context, aggregate));
        if event.fate == Fate::Scheduled {
            OutboxState::Scheduled
        } else if key.as_ref().is_some_and(|key| self.parked.contains(key)) {
            OutboxState::Held
        } else if event.fate == Fate::Parked && !event.aggregate.as_ref().is_some_and(is_hot) {
            self.parked.extend(key);
            OutboxState::Parked
        } else {
            OutboxState::Published
        }
    }

    fn consume(&mut self, event: &Pending, place: Place) {
        let (consumer, own) = consumer_of(event.context);
        let pos = self.next(own, "inbox") as i64;
        let died = match event.fate {
            Fate::Dead => 1,
            Fate::Redriven => 1 + self.dice.roll(2) as i32,
            Fate::Processed | Fate::Causes | Fate::Skipped | Fate::Parked | Fate::Scheduled => 0,
        };
        for epoch in 0..died {
            self.letter(event.id, &consumer, own, epoch);
        }
        let dead = event.fate == Fate::Dead;
        let fence = i64::from(died) + 1 + self.dice.roll(3) as i64;
        self.history.inbox.push(InboxEntry {
            consumer: consumer.clone(),
            id: event.id,
            place,
            state: if dead { InboxState::Dead } else { InboxState::Processed },
            attempts: 1,
            fence,
            epoch: if dead { died - 1 } else { died },
            dead_reason: (died > 0).then(|| "poison".to_owned()),
            last_error: None,
            pos,
        });
        let effect = Effect { consumer, id: event.id, order: pos, fence };
        match event.fate {
            Fate::Skipped => {
                self.history.effectless.insert(event.id);
            }
            Fate::Dead => {}
            Fate::Redriven => self.late.push(effect),
            Fate::Processed | Fate::Causes | Fate::Parked | Fate::Scheduled => {
                self.history.effects.push(effect);
            }
        }
        if event.fate == Fate::Causes {
            self.caused_by(event);
        }
    }

    fn letter(&mut self, id: Uuid, consumer: &str, own: &'static str, epoch: i32) {
        let seq = self.next(own, "letters");
        self.history.letters.push(DeadLetter {
            consumer: consumer.to_owned(),
            id,
            epoch,
            reason: "poison".to_owned(),
            place: Place {
                stream: format!("{}_DLQ", own.to_uppercase()),
                incarnation: OffsetDateTime::UNIX_EPOCH,
                seq,
            },
        });
    }

    /// Redriven ones were handled after everything else; and then the gauges were read.
    fn finish(mut self) -> History {
        for mut effect in std::mem::take(&mut self.late) {
            effect.order += 1_000_000;
            self.history.effects.push(effect);
        }
        for context in CONTEXTS {
            self.read(context);
        }
        self.history
    }

    fn read(&mut self, context: &str) {
        let count = |state| {
            let rows = self.history.committed.iter();
            rows.filter(|event| event.context == context && event.state == state).count() as f64
        };
        let (held, parked) = (count(OutboxState::Held), count(OutboxState::Parked));
        for (metric, consumer, value) in [
            ("outbox_unpublished_count", None, held),
            ("outbox_parked_count", None, parked),
            ("inbox_unprocessed_count", Some(consumer_of(context).0), 0.0),
            ("outbox_published_total", None, 7.0),
        ] {
            // Who consumes what this context publishes is the other one's worker.
            let whose = if consumer.is_some() { consumer_of(context).1 } else { context };
            self.history.readings.push(Reading {
                context: whose.to_owned(),
                instance: format!("{whose} 1"),
                metric: metric.to_owned(),
                consumer,
                value,
            });
        }
    }
}

/// The same after VIBESPRO_EVENTS was purged twice and repaired each time: of what only the stream
/// had, some came again with the first repair, later ones with the second.
pub(super) fn repaired(seed: u64, events: usize) -> History {
    let mut history = good(seed, events);
    let mut dice = Dice::new(seed ^ 0x5ea);
    let stream = stream_of(CONTEXTS[0]);
    let consumer = consumer_of(CONTEXTS[0]).0;
    let plain: Vec<Uuid> = history
        .inbox
        .iter()
        .filter(|row| row.consumer == consumer && row.state == InboxState::Processed && row.epoch == 0)
        .map(|row| row.id)
        .collect();
    for repair in 1..=2 {
        let again: Vec<Uuid> = plain.iter().copied().filter(|_| dice.one_in(8)).collect();
        for id in again {
            move_to_end(&mut history, id, repair, dice.one_in(3));
        }
    }
    // The rest of the first half is gone from the stream; everybody has finished with it.
    let gone = history.streamed.len() / 2;
    let kept = |event: &StreamedEvent| {
        event.place.stream != stream || event.place.seq > gone as u64 || history.replayed.contains(&event.id)
    };
    history.streamed.retain(kept);
    history
}

/// Published again; `known`: the consumer had it already.
fn move_to_end(history: &mut History, id: Uuid, repair: u32, known: bool) {
    let first_time = history.replayed.insert(id);
    history.repairs.insert(id, repair);
    let stored = history.streamed.iter().filter(|event| event.place.stream == stream_of(CONTEXTS[0]));
    let seq = stored.map(|event| event.place.seq).max().unwrap_or(0) + 1;
    let event = history.committed.iter_mut().find(|event| event.id == id).unwrap();
    event.stored.as_mut().unwrap().seq = seq;
    let message = history.streamed.iter_mut().find(|event| event.id == id).unwrap();
    message.place.seq = seq;
    // Who lost it gets it now; who got it before, by whatever way, keeps it where it was read.
    if known || !first_time {
        return;
    }
    let last = history.inbox.iter().map(|row| row.pos).max().unwrap_or(0) + 1;
    let row = history.inbox.iter_mut().find(|row| row.id == id).unwrap();
    (row.place.seq, row.pos) = (seq, last);
    let effect = history.effects.iter_mut().find(|effect| effect.id == id);
    if let Some(effect) = effect {
        effect.order = last;
    }
}
