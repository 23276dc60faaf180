//! Rule by rule, on histories of one consumer: what is broken must be named.

use proptest::prelude::*;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::{Violation, check};
use crate::history::{
    Aggregate, CommittedEvent, DeadLetter, Effect, Guarantee, History, InboxEntry, InboxState, OutboxState,
    Place, StreamedEvent, Subscription,
};

const CONSUMER: &str = "sea__from_vibespro";

/// What becomes of one event: 0 processed, 1 dead, 2 parked, 3 redriven and processed.
type Fate = u8;

fn place(stream: &str, seq: usize) -> Place {
    Place { stream: stream.to_owned(), incarnation: OffsetDateTime::UNIX_EPOCH, seq: seq as u64 }
}

fn good(fates: &[(u8, Fate)], guarantee: Guarantee) -> History {
    let mut history = History::default();
    history.subscriptions.push(Subscription {
        consumer: CONSUMER.to_owned(),
        stream: "VIBESPRO_EVENTS".to_owned(),
        filter: "vibespro.event.>".to_owned(),
        guarantee,
    });
    for (n, (aggregate, fate)) in fates.iter().enumerate() {
        add(&mut history, n + 1, *aggregate, *fate);
    }
    history
}

fn add(history: &mut History, n: usize, aggregate: u8, fate: Fate) {
    let id = Uuid::from_u128(n as u128);
    let subject = "vibespro.event.vibe_created.v1".to_owned();
    let parked = fate == 2;
    let stored = place("VIBESPRO_EVENTS", n);
    history.committed.push(CommittedEvent {
        id,
        context: "vibespro".to_owned(),
        subject: subject.clone(),
        // Aggregate 0 stands for "none".
        aggregate: (aggregate > 0).then(|| Aggregate { kind: "vibe".to_owned(), id: aggregate.to_string() }),
        seq: n as i64,
        correlation_id: Uuid::from_u128(1),
        causation_id: (n > 1).then(|| Uuid::from_u128(1)),
        recorded_at: OffsetDateTime::UNIX_EPOCH,
        state: if parked { OutboxState::Parked } else { OutboxState::Published },
        stored: (!parked).then(|| stored.clone()),
    });
    if parked {
        return;
    }
    history.streamed.push(StreamedEvent { id, subject, place: stored.clone() });
    let (dead, epoch) = (fate == 1, i32::from(fate == 3));
    history.inbox.push(InboxEntry {
        consumer: CONSUMER.to_owned(),
        id,
        place: stored,
        state: if dead { InboxState::Dead } else { InboxState::Processed },
        attempts: 1,
        fence: 1,
        epoch,
        dead_reason: dead.then(|| "poison".to_owned()),
        last_error: None,
        pos: n as i64,
    });
    if dead || epoch > 0 {
        history.letters.push(DeadLetter {
            consumer: CONSUMER.to_owned(),
            id,
            epoch: 0,
            reason: "poison".to_owned(),
            place: place("SEA_DLQ", n),
        });
    }
    if !dead {
        history.effects.push(Effect { consumer: CONSUMER.to_owned(), id, order: n as i64, fence: 1 });
    }
}

/// The violations of a history, which all must be about `id`.
fn only(history: &History, id: Uuid) -> Vec<Violation> {
    let verdict = check(history);
    assert!(verdict.violations.iter().all(|violation| violation.event() == id), "{verdict}");
    assert!(verdict.to_string().contains(&id.to_string()), "{verdict}");
    verdict.violations
}

fn fates() -> impl Strategy<Value = Vec<(u8, Fate)>> {
    prop::collection::vec(
        (0_u8..4, prop_oneof![4 => Just(0_u8), 1 => Just(1), 1 => Just(2), 1 => Just(3)]),
        2..40,
    )
}

/// Event number `n` (from 1) with that fate is surely among them.
fn with(mut fates: Vec<(u8, Fate)>, at: usize, fate: Fate) -> (Vec<(u8, Fate)>, usize) {
    let at = at % fates.len();
    fates[at].1 = fate;
    (fates, at)
}

fn id(at: usize) -> Uuid {
    Uuid::from_u128(at as u128 + 1)
}

fn named() -> String {
    CONSUMER.to_owned()
}

proptest! {
    #[test]
    fn a_good_history_is_clean(fates in fates()) {
        let verdict = check(&good(&fates, Guarantee::Joined));
        prop_assert!(verdict.is_clean(), "{}", verdict);
        prop_assert_eq!(verdict.totals.committed, fates.len());
        let totals = verdict.totals;
        prop_assert_eq!(totals.committed, totals.processed + totals.dead + totals.parked);
    }

    #[test]
    fn a_dropped_inbox_row_is_lost(fates in fates(), at: usize) {
        let (fates, at) = with(fates, at, 0);
        let mut history = good(&fates, Guarantee::Joined);
        history.inbox.retain(|row| row.id != id(at));
        let found = only(&history, id(at));
        assert!(matches!(&found[..], [Violation::Lost { consumer: Some(c), .. }] if c == CONSUMER));
    }

    #[test]
    fn an_event_that_never_left_is_lost(fates in fates(), at: usize) {
        let (fates, at) = with(fates, at, 2);
        let mut history = good(&fates, Guarantee::Joined);
        history.committed[at].state = OutboxState::Ready;
        let found = only(&history, id(at));
        assert!(matches!(&found[..], [Violation::Lost { consumer: None, .. }]));
    }

    #[test]
    fn a_row_that_stays_open_is_lost(fates in fates(), at: usize, state in 0_usize..5) {
        use InboxState::{Behind, Dying, Ready, Running, Waiting};
        let (fates, at) = with(fates, at, 0);
        let mut history = good(&fates, Guarantee::Joined);
        let row = history.inbox.iter_mut().find(|row| row.id == id(at)).unwrap();
        row.state = [Ready, Running, Waiting, Behind, Dying][state];
        let found = only(&history, id(at));
        assert!(matches!(&found[..], [Violation::Lost { .. }]));
    }

    #[test]
    fn a_dropped_effect_is_missed(fates in fates(), at: usize) {
        let (fates, at) = with(fates, at, 0);
        let mut history = good(&fates, Guarantee::Joined);
        history.effects.retain(|effect| effect.id != id(at));
        prop_assert_eq!(
            only(&history, id(at)),
            vec![Violation::ProcessedWithoutEffect { id: id(at), consumer: named() }]
        );
        history.effectless.insert(id(at));
        assert!(check(&history).is_clean());
    }

    #[test]
    fn a_doubled_effect_is_seen(fates in fates(), at: usize) {
        let (fates, at) = with(fates, at, 0);
        for (guarantee, allowed) in
            [(Guarantee::Joined, false), (Guarantee::KeyedById, false), (Guarantee::Plain, true)]
        {
            let mut history = good(&fates, guarantee);
            let mut again = history.effects.iter().find(|effect| effect.id == id(at)).unwrap().clone();
            again.order = 1_000;
            history.effects.push(again);
            let expected = vec![Violation::EffectTwice { id: id(at), consumer: named(), times: 2 }];
            if allowed {
                assert!(check(&history).is_clean());
            } else {
                prop_assert_eq!(only(&history, id(at)), expected);
            }
        }
    }

    #[test]
    fn an_orphaned_effect_is_seen(fates in fates()) {
        let mut history = good(&fates, Guarantee::Joined);
        let stranger = Uuid::from_u128(77_777);
        history.effects.push(Effect { consumer: named(), id: stranger, order: 500, fence: 1 });
        prop_assert_eq!(
            only(&history, stranger),
            vec![Violation::EffectWithoutEvent { id: stranger, consumer: named() }]
        );
    }

    #[test]
    fn an_effect_beside_a_death_is_seen(fates in fates(), at: usize) {
        let (mut fates, at) = with(fates, at, 1);
        fates[at].0 = 0;
        let mut history = good(&fates, Guarantee::Joined);
        history.effects.push(Effect { consumer: named(), id: id(at), order: at as i64 + 1, fence: 1 });
        prop_assert_eq!(
            only(&history, id(at)),
            vec![Violation::EffectAndDeadLettered { id: id(at), consumer: named() }]
        );
    }

    #[test]
    fn swapped_effects_break_order(fates in fates(), at: usize) {
        let (fates, _) = with(fates, at, 0);
        let mut history = good(&fates, Guarantee::Joined);
        let n = fates.len();
        add(&mut history, n + 1, 9, 0);
        add(&mut history, n + 2, 9, 0);
        let effects = history.effects.len();
        history.effects[effects - 2].order = n as i64 + 2;
        history.effects[effects - 1].order = n as i64 + 1;
        let expected = Violation::OrderBroken {
            aggregate: "vibe/9".to_owned(), consumer: Some(named()), first: id(n), second: id(n + 1),
        };
        prop_assert_eq!(only(&history, id(n + 1)), vec![expected]);
    }

    #[test]
    fn swapped_places_break_order_in_the_stream(fates in fates()) {
        let mut history = good(&fates, Guarantee::Joined);
        let n = fates.len();
        add(&mut history, n + 1, 9, 0);
        add(&mut history, n + 2, 9, 0);
        history.committed[n].stored = Some(place("VIBESPRO_EVENTS", n + 2));
        history.committed[n + 1].stored = Some(place("VIBESPRO_EVENTS", n + 1));
        let found = only(&history, id(n + 1));
        assert!(matches!(&found[..], [Violation::OrderBroken { consumer: None, .. }]));
        // A stream that was made anew starts counting again.
        history.committed[n + 1].stored.as_mut().unwrap().incarnation += time::Duration::HOUR;
        assert!(check(&history).is_clean());
    }

    #[test]
    fn a_dropped_letter_is_missed(fates in fates(), at: usize) {
        let (fates, at) = with(fates, at, 1);
        let mut history = good(&fates, Guarantee::Joined);
        history.letters.retain(|letter| letter.id != id(at));
        prop_assert_eq!(
            only(&history, id(at)),
            vec![Violation::DeadLetterMissing { id: id(at), consumer: named(), epoch: 0 }]
        );
    }

    #[test]
    fn a_doubled_letter_is_seen(fates in fates(), at: usize) {
        let (fates, at) = with(fates, at, 1);
        let mut history = good(&fates, Guarantee::Joined);
        let again = history.letters.iter().find(|letter| letter.id == id(at)).unwrap().clone();
        history.letters.push(again);
        prop_assert_eq!(
            only(&history, id(at)),
            vec![Violation::LetterTwice { id: id(at), consumer: named(), epoch: 0 }]
        );
    }

    #[test]
    fn a_letter_of_a_living_row_is_seen(fates in fates(), at: usize) {
        let (fates, at) = with(fates, at, 0);
        let mut history = good(&fates, Guarantee::Joined);
        history.letters.push(DeadLetter {
            consumer: named(), id: id(at), epoch: 0, reason: "poison".to_owned(), place: place("SEA_DLQ", 900),
        });
        prop_assert_eq!(
            only(&history, id(at)),
            vec![Violation::LetterWithoutDeadRow { id: id(at), consumer: named(), epoch: 0 }]
        );
    }

    #[test]
    fn a_torn_chain_is_seen(fates in fates(), at: usize) {
        let mut history = good(&fates, Guarantee::Joined);
        let at = 1 + at % (fates.len() - 1);
        let stranger = Uuid::from_u128(77_777);
        history.committed[at].causation_id = Some(stranger);
        let found = only(&history, id(at));
        assert!(matches!(&found[..], [Violation::CausationBroken { cause, .. }] if *cause == stranger));
        history.committed[at].causation_id = Some(Uuid::from_u128(1));
        history.committed[at].correlation_id = stranger;
        assert!(matches!(&only(&history, id(at))[..], [Violation::CausationBroken { .. }]));
    }
}

/// Three events: one unordered, two of aggregate 1.
fn few() -> History {
    good(&[(0, 0), (1, 0), (1, 0)], Guarantee::Joined)
}

#[test]
fn what_was_purged_after_everybody_had_it_is_no_loss() {
    let mut history = few();
    history.streamed.clear();
    assert!(check(&history).is_clean());
    history.inbox.retain(|row| row.id != id(1));
    let verdict = check(&history);
    assert!(
        matches!(&verdict.violations[..], [Violation::Lost { consumer: Some(_), id: lost, .. }] if *lost == id(1))
    );
    assert!(verdict.to_string().contains("VIBESPRO_EVENTS no longer holds it"), "{verdict}");
}

#[test]
fn what_nobody_takes_must_be_in_its_stream() {
    let mut history = few();
    history.committed[0].subject = "vibespro.event.vibe_scored.v1".to_owned();
    history.subscriptions[0].filter = "vibespro.event.vibe_created.v1".to_owned();
    history.streamed[0].subject.clone_from(&history.committed[0].subject);
    history.inbox.remove(0);
    history.effects.remove(0);
    assert!(check(&history).is_clean());
    history.streamed.remove(0);
    let found = only(&history, id(0));
    assert!(matches!(&found[..], [Violation::Lost { consumer: None, .. }]));
}

#[test]
fn a_message_without_a_row_is_an_event_unless_it_is_known_who_publishes() {
    let mut history = few();
    let raw = Uuid::from_u128(9);
    let (place, subject) = (place("VIBESPRO_EVENTS", 9), "vibespro.event.vibe_created.v1".to_owned());
    history.streamed.push(StreamedEvent { id: raw, subject, place: place.clone() });
    let like = history.inbox[0].clone();
    history.inbox.push(InboxEntry { id: raw, place, pos: 9, ..like });
    history.effects.push(Effect { consumer: named(), id: raw, order: 9, fence: 1 });
    assert!(check(&history).is_clean());
    history.foreign = Some([raw].into());
    assert!(check(&history).is_clean());
    history.foreign = Some([].into());
    let kinds: Vec<&str> = only(&history, raw).iter().map(Violation::kind).collect();
    assert_eq!(kinds, ["stored_without_commit", "effect_without_event"]);
}

#[test]
fn who_died_may_be_late_and_never_early() {
    let mut history = good(&[(1, 3), (1, 0), (1, 3)], Guarantee::Joined);
    // Both redriven: the first is done last, the last by its turn.
    history.effects[0].order = 10;
    assert!(check(&history).is_clean());
    history.effects[2].order = 1;
    let passed = only(&history, id(2));
    assert!(matches!(&passed[..], [Violation::OrderBroken { first, .. }] if *first == id(1)));
}

#[test]
fn a_zombie_of_a_keyed_handler_is_late() {
    let mut history = good(&[(1, 1), (1, 0)], Guarantee::KeyedById);
    history.effects.push(Effect { consumer: named(), id: id(0), order: 9, fence: 1 });
    assert!(check(&history).is_clean());
}

#[test]
fn an_incarnation_ends_the_order_of_the_stream_and_not_that_of_effects() {
    let mut history = few();
    let anew = Place {
        incarnation: OffsetDateTime::UNIX_EPOCH + time::Duration::HOUR,
        ..place("VIBESPRO_EVENTS", 1)
    };
    history.committed[2].stored = Some(anew.clone());
    history.inbox[2].place = anew.clone();
    history.streamed[2].place = anew;
    assert!(check(&history).is_clean());
    history.effects[2].order = 1;
    let found = only(&history, id(2));
    assert!(matches!(&found[..], [Violation::OrderBroken { consumer: Some(_), .. }]));
}

#[test]
fn a_replayed_event_stands_where_it_came_again() {
    let mut history = few();
    // The second was lost, and came again behind the third.
    let (again, n) = (place("VIBESPRO_EVENTS", 8), 1);
    history.committed[n].stored = Some(again.clone());
    history.streamed[n].place = again.clone();
    history.inbox[n].place = again;
    (history.inbox[n].pos, history.effects[n].order) = (8, 8);
    let late = check(&history).violations;
    assert!(matches!(&late[..], [Violation::OrderBroken { consumer: None, .. }]), "{late:?}");
    history.replayed.insert(id(n));
    assert!(check(&history).is_clean());
    // Its effect may not come before it was read.
    (history.effects[1].order, history.effects[2].order) = (3, 8);
    assert_eq!(only(&history, id(1))[0].kind(), "order_broken");
}

#[test]
fn a_later_repair_may_store_an_earlier_event() {
    let mut history = few();
    history.replayed.extend([id(1), id(2)]);
    for (n, seq) in [(1, 20), (2, 10)] {
        // The consumer had both.
        history.committed[n].stored = Some(place("VIBESPRO_EVENTS", seq));
        history.streamed[n].place = place("VIBESPRO_EVENTS", seq);
    }
    let found = only(&history, id(2));
    assert!(matches!(&found[..], [Violation::OrderBroken { consumer: None, .. }]));
    history.repairs = [(id(1), 2), (id(2), 1)].into();
    assert!(check(&history).is_clean());
    history.repairs = [(id(1), 1), (id(2), 2)].into();
    assert!(!check(&history).is_clean());
}

#[test]
fn a_story_tells_everything() {
    let mut history = good(&[(1, 3), (1, 0)], Guarantee::Joined);
    history.committed[1].causation_id = Some(id(0));
    let again = history.effects[0].clone();
    history.effects.push(Effect { order: 9, ..again });
    history.replayed.insert(id(0));
    history.streamed.remove(0);
    let verdict = check(&history);
    let (violation, story) = verdict.told().next().unwrap();
    assert_eq!(violation.event(), id(0));
    for part in [
        "committed by vibespro at 1970",
        "outbox seq 1, Published, stored VIBESPRO_EVENTS#1",
        "caused by nothing",
        "published again by repair 1",
        "no longer holds it",
        "inbox of sea__from_vibespro: Processed, 1 attempts, fence 1, epoch 1, pos 1",
        "effect 1 of sea__from_vibespro by the attempt with fence 1",
        "effect 9 of",
        "dead letter of sea__from_vibespro at epoch 0: poison, at SEA_DLQ#1",
        &format!("has caused {} (vibespro.event.vibe_created.v1 of vibespro, outbox seq 2)", id(1)),
    ] {
        assert!(story.contains(part), "{part}: {story}");
    }
}
