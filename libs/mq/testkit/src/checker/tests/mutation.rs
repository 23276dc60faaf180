//! One thing that goes wrong in a good history, at a random place.

use time::OffsetDateTime;
use uuid::Uuid;

use super::generated::{Dice, consumer_of, stream_of};
use crate::history::{
    CommittedEvent, DeadLetter, Effect, History, InboxEntry, InboxState, OutboxState, Place, StreamedEvent,
};

/// Who must be named, and as what.
pub(super) struct Expected {
    /// The kind of one violation that names the event.
    pub(super) kind: &'static str,
    /// The event; the nil UUID: none.
    pub(super) event: Uuid,
    /// Others that may be named, since they miss it.
    pub(super) also: Vec<Uuid>,
}

/// Spoils a history; `None` when it has nothing of the kind.
pub(super) type Mutation = fn(&mut History, &mut Dice) -> Option<Expected>;

pub(super) const MUTATIONS: &[(&str, Mutation)] = &[
    ("an outbox row is lost", lose_commit),
    ("an outbox row is doubled", double_commit),
    ("an event stays in the outbox", never_publish),
    ("a message is dropped before it is recorded", lose_message),
    ("a message comes from nowhere", invent_message),
    ("an inbox row is lost", lose_row),
    ("an inbox row is doubled", double_row),
    ("an inbox row stays open", leave_open),
    ("an effect is lost", lose_effect),
    ("an effect is doubled", double_effect),
    ("an effect comes from nowhere", invent_effect),
    ("an effect stands beside a dead letter", effect_of_dead),
    ("an effect is a replaced attempt's", stale_effect),
    ("two effects are swapped", swap_effects),
    ("two recordings are swapped", swap_recordings),
    ("two events are swapped in the stream", swap_places),
    ("two replayed events are swapped", swap_replayed),
    ("a late event was not replayed", forget_replay),
    ("a letter is lost", lose_letter),
    ("a letter is doubled", double_letter),
    ("a letter tells of a living row", letter_of_living),
    ("a letter gives another reason", other_reason),
    ("a dead row gives no reason", no_reason),
    ("a cause is cut off", cut_cause),
    ("a cause never was", invent_cause),
    ("a cause has no effect", cause_without_effect),
    ("a chain is left", leave_chain),
    ("a gauge is off by one", wrong_gauge),
];

const STRANGER: Uuid = Uuid::from_u128(0xdead_beef);

fn expect(kind: &'static str, event: Uuid) -> Option<Expected> {
    Some(Expected { kind, event, also: Vec::new() })
}

fn cause_of(history: &History, id: Uuid) -> Option<Uuid> {
    history.committed.iter().find(|event| event.id == id)?.causation_id
}

/// An event that was handled at its first go, and that nobody has published again.
fn processed(history: &History, dice: &mut Dice) -> Option<Uuid> {
    dice.pick(&plain(history)).map(|row| row.id)
}

fn plain(history: &History) -> Vec<&InboxEntry> {
    let is_plain = |row: &&InboxEntry| {
        row.state == InboxState::Processed
            && row.epoch == 0
            && !history.effectless.contains(&row.id)
            && !history.replayed.contains(&row.id)
    };
    history.inbox.iter().filter(is_plain).collect()
}

fn dead(history: &History, dice: &mut Dice) -> Option<Uuid> {
    let rows: Vec<&InboxEntry> = history.inbox.iter().filter(|row| row.state == InboxState::Dead).collect();
    dice.pick(&rows).map(|row| row.id)
}

fn caused(history: &History, dice: &mut Dice) -> Option<(Uuid, Uuid)> {
    let pairs: Vec<(Uuid, Uuid)> =
        history.committed.iter().filter_map(|event| Some((event.id, event.causation_id?))).collect();
    dice.pick(&pairs).copied()
}

fn event(history: &mut History, id: Uuid) -> &mut CommittedEvent {
    history.committed.iter_mut().find(|event| event.id == id).unwrap()
}

fn row(history: &mut History, id: Uuid) -> &mut InboxEntry {
    history.inbox.iter_mut().find(|row| row.id == id).unwrap()
}

fn effect(history: &mut History, id: Uuid) -> &mut Effect {
    history.effects.iter_mut().find(|effect| effect.id == id).unwrap()
}

fn lose_commit(history: &mut History, dice: &mut Dice) -> Option<Expected> {
    let rows: Vec<Uuid> = history.streamed.iter().map(|message| message.id).collect();
    let id = *dice.pick(&rows)?;
    let also = cause_of(history, id).into_iter().collect();
    history.committed.retain(|event| event.id != id);
    Some(Expected { also, ..expect("stored_without_commit", id)? })
}

fn double_commit(history: &mut History, dice: &mut Dice) -> Option<Expected> {
    let id = processed(history, dice)?;
    let also = cause_of(history, id).into_iter().collect();
    let again = event(history, id).clone();
    history.committed.push(CommittedEvent { seq: 1_000_000, ..again });
    Some(Expected { also, ..expect("committed_twice", id)? })
}

fn never_publish(history: &mut History, dice: &mut Dice) -> Option<Expected> {
    let id = processed(history, dice)?;
    let found = event(history, id);
    (found.state, found.stored) = (OutboxState::Ready, None);
    forget(history, id);
    history.readings.clear();
    expect("lost", id)
}

fn lose_message(history: &mut History, dice: &mut Dice) -> Option<Expected> {
    let id = processed(history, dice)?;
    forget(history, id);
    expect("lost", id)
}

fn forget(history: &mut History, id: Uuid) {
    history.streamed.retain(|message| message.id != id);
    history.inbox.retain(|row| row.id != id);
    history.effects.retain(|effect| effect.id != id);
}

fn invent_message(history: &mut History, _: &mut Dice) -> Option<Expected> {
    history.streamed.push(StreamedEvent {
        id: STRANGER,
        subject: "sea.event.thing_done.v1".to_owned(),
        place: place(&stream_of("sea")),
    });
    expect("stored_without_commit", STRANGER)
}

fn place(stream: &str) -> Place {
    Place { stream: stream.to_owned(), incarnation: OffsetDateTime::UNIX_EPOCH, seq: 2_000_000 }
}

fn lose_row(history: &mut History, dice: &mut Dice) -> Option<Expected> {
    let id = processed(history, dice)?;
    history.inbox.retain(|row| row.id != id);
    expect("lost", id)
}

fn double_row(history: &mut History, dice: &mut Dice) -> Option<Expected> {
    let id = processed(history, dice)?;
    let again = row(history, id).clone();
    history.inbox.push(again);
    expect("recorded_twice", id)
}

fn leave_open(history: &mut History, dice: &mut Dice) -> Option<Expected> {
    use InboxState::{Behind, Dying, Ready, Running, Waiting};
    let id = processed(history, dice)?;
    row(history, id).state = *dice.pick(&[Behind, Dying, Ready, Running, Waiting])?;
    history.readings.clear();
    expect("lost", id)
}

fn lose_effect(history: &mut History, dice: &mut Dice) -> Option<Expected> {
    let id = processed(history, dice)?;
    history.effects.retain(|effect| effect.id != id);
    expect("processed_without_effect", id)
}

fn double_effect(history: &mut History, dice: &mut Dice) -> Option<Expected> {
    let id = processed(history, dice)?;
    let again = effect(history, id).clone();
    history.effects.push(Effect { order: 2_000_000, ..again });
    expect("effect_twice", id)
}

fn invent_effect(history: &mut History, dice: &mut Dice) -> Option<Expected> {
    let again = dice.pick(&history.effects)?.clone();
    history.effects.push(Effect { id: STRANGER, ..again });
    expect("effect_without_event", STRANGER)
}

fn effect_of_dead(history: &mut History, dice: &mut Dice) -> Option<Expected> {
    let id = dead(history, dice)?;
    let found = row(history, id).clone();
    history.effects.push(Effect { consumer: found.consumer, id, order: found.pos, fence: found.fence });
    expect("effect_and_dead_lettered", id)
}

fn stale_effect(history: &mut History, dice: &mut Dice) -> Option<Expected> {
    let id = processed(history, dice)?;
    row(history, id).fence += 1;
    expect("stale_effect", id)
}

/// Two plain events of one aggregate, in the order that `by` gives.
fn two<K: Ord>(
    history: &History,
    dice: &mut Dice,
    by: impl Fn(&CommittedEvent, &InboxEntry) -> K,
) -> Option<(Uuid, Uuid)> {
    let one = processed(history, dice)?;
    let find = |id| history.committed.iter().find(|event| event.id == id);
    let first = find(one).filter(|event| event.aggregate.is_some())?;
    let mates: Vec<(K, Uuid)> = plain(history)
        .into_iter()
        .filter_map(|row| Some((find(row.id)?, row)))
        .filter(|(event, _)| event.context == first.context && event.aggregate == first.aggregate)
        .map(|(event, row)| (by(event, row), row.id))
        .collect();
    let mine = mates.iter().find(|(_, id)| *id == one)?;
    let other = dice.pick(&mates).filter(|(_, id)| *id != one)?;
    Some(if mine.0 < other.0 { (mine.1, other.1) } else { (other.1, mine.1) })
}

fn swap_effects(history: &mut History, dice: &mut Dice) -> Option<Expected> {
    let (first, second) = two(history, dice, |_, row| row.pos)?;
    exchange_effects(history, first, second);
    expect("order_broken", first)
}

fn exchange_effects(history: &mut History, first: Uuid, second: Uuid) {
    let order = effect(history, first).order;
    let other = std::mem::replace(&mut effect(history, second).order, order);
    effect(history, first).order = other;
}

fn swap_recordings(history: &mut History, dice: &mut Dice) -> Option<Expected> {
    let (first, second) = two(history, dice, |_, row| row.place.seq)?;
    exchange_recordings(history, first, second);
    expect("recorded_out_of_order", first)
}

fn exchange_recordings(history: &mut History, first: Uuid, second: Uuid) {
    let pos = row(history, first).pos;
    let other = std::mem::replace(&mut row(history, second).pos, pos);
    row(history, first).pos = other;
}

/// Stored the wrong way round; recording and effects follow the stream.
fn swap_places(history: &mut History, dice: &mut Dice) -> Option<Expected> {
    let (first, second) = two(history, dice, |event, _| event.seq)?;
    exchange(history, first, second);
    expect("order_broken", first)
}

fn exchange(history: &mut History, first: Uuid, second: Uuid) {
    let (one, other) = (event(history, first).stored.clone(), event(history, second).stored.clone());
    for (id, place) in [(first, other.unwrap()), (second, one.unwrap())] {
        event(history, id).stored = Some(place.clone());
        row(history, id).place = place.clone();
        for message in history.streamed.iter_mut().filter(|message| message.id == id) {
            message.place = place.clone();
        }
    }
    exchange_recordings(history, first, second);
    exchange_effects(history, first, second);
}

fn swap_replayed(history: &mut History, dice: &mut Dice) -> Option<Expected> {
    let read_again: Vec<&CommittedEvent> = history
        .committed
        .iter()
        .filter(|event| event.aggregate.is_some() && history.replayed.contains(&event.id))
        .filter(|event| history.effects.iter().any(|effect| effect.id == event.id))
        .filter(|event| {
            history.inbox.iter().any(|row| row.id == event.id && Some(&row.place) == event.stored.as_ref())
        })
        .collect();
    let pairs: Vec<(Uuid, Uuid)> = read_again
        .iter()
        .flat_map(|first| read_again.iter().map(move |second| (first, second)))
        .filter(|(first, second)| first.aggregate == second.aggregate && first.seq < second.seq)
        .filter(|(first, second)| history.repairs[&first.id] == history.repairs[&second.id])
        .map(|(first, second)| (first.id, second.id))
        .collect();
    let (first, second) = *dice.pick(&pairs)?;
    exchange(history, first, second);
    expect("order_broken", first)
}

fn forget_replay(history: &mut History, dice: &mut Dice) -> Option<Expected> {
    let seq_in_stream = |event: &CommittedEvent| event.stored.as_ref().map(|stored| stored.seq);
    let passed: Vec<Uuid> = history
        .committed
        .iter()
        .filter(|event| event.aggregate.is_some() && history.replayed.contains(&event.id))
        .filter(|event| {
            let later = |other: &&CommittedEvent| {
                other.context == event.context && other.aggregate == event.aggregate && other.seq > event.seq
            };
            let mut others = history.committed.iter().filter(later);
            others.any(|other| seq_in_stream(other).is_some_and(|seq| Some(seq) < seq_in_stream(event)))
        })
        .map(|event| event.id)
        .collect();
    let id = *dice.pick(&passed)?;
    history.replayed.remove(&id);
    expect("order_broken", id)
}

fn lose_letter(history: &mut History, dice: &mut Dice) -> Option<Expected> {
    let at = dice.roll(history.letters.len());
    (at < history.letters.len())
        .then(|| history.letters.remove(at))
        .and_then(|l| expect("dead_letter_missing", l.id))
}

fn double_letter(history: &mut History, dice: &mut Dice) -> Option<Expected> {
    let again = dice.pick(&history.letters)?.clone();
    let id = again.id;
    history.letters.push(again);
    expect("letter_twice", id)
}

fn letter_of_living(history: &mut History, dice: &mut Dice) -> Option<Expected> {
    let id = processed(history, dice)?;
    let consumer = row(history, id).consumer.clone();
    let (reason, place) = ("poison".to_owned(), place("SEA_DLQ"));
    history.letters.push(DeadLetter { consumer, id, epoch: 0, reason, place });
    expect("letter_without_dead_row", id)
}

fn other_reason(history: &mut History, dice: &mut Dice) -> Option<Expected> {
    let id = dead(history, dice)?;
    let letter = history.letters.iter_mut().find(|letter| letter.id == id)?;
    letter.reason = "max_deliver".to_owned();
    expect("reasons_differ", id)
}

fn no_reason(history: &mut History, dice: &mut Dice) -> Option<Expected> {
    let id = dead(history, dice)?;
    row(history, id).dead_reason = None;
    expect("reasons_differ", id)
}

fn cut_cause(history: &mut History, dice: &mut Dice) -> Option<Expected> {
    let (id, cause) = caused(history, dice)?;
    event(history, id).causation_id = None;
    expect("caused_miscounted", cause)
}

fn invent_cause(history: &mut History, dice: &mut Dice) -> Option<Expected> {
    let (id, cause) = caused(history, dice)?;
    event(history, id).causation_id = Some(STRANGER);
    Some(Expected { also: vec![cause], ..expect("causation_broken", id)? })
}

/// An event of its own, of a handler whose effect was given up.
fn cause_without_effect(history: &mut History, dice: &mut Dice) -> Option<Expected> {
    let id = dead(history, dice)?;
    let cause = event(history, id).clone();
    let (_, context) = consumer_of(&cause.context);
    history.committed.push(CommittedEvent {
        id: STRANGER,
        context: context.to_owned(),
        subject: format!("{context}.event.thing_done.v1"),
        aggregate: None,
        seq: 2_000_000,
        causation_id: Some(id),
        state: OutboxState::Scheduled,
        stored: None,
        ..cause
    });
    expect("causation_broken", STRANGER)
}

fn leave_chain(history: &mut History, dice: &mut Dice) -> Option<Expected> {
    let (id, _) = caused(history, dice)?;
    event(history, id).correlation_id = STRANGER;
    expect("causation_broken", id)
}

fn wrong_gauge(history: &mut History, dice: &mut Dice) -> Option<Expected> {
    let judged = history.readings.iter_mut().filter(|reading| reading.metric.ends_with("_count"));
    let mut judged: Vec<_> = judged.collect();
    let at = dice.roll(judged.len());
    judged.get_mut(at)?.value += 1.0;
    expect("metric_wrong", Uuid::nil())
}
