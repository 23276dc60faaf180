#![allow(clippy::unwrap_used)]

mod model;

use std::time::{Duration, Instant};

use sea_mq_dispatch::ProbePace;
use sea_mq_inbox::{AggregateKey, OpenRow, OpenState, QueuedRow};
use uuid::Uuid;

use super::{Book, LOAD, Order};

const PACE: ProbePace = ProbePace { cap: Duration::from_secs(60) };

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn row(n: u128, aggregate: &str) -> QueuedRow {
    QueuedRow {
        message_id: id(n),
        lane: 0,
        pos: i64::try_from(n).unwrap(),
        key: AggregateKey::Aggregate(None, aggregate.to_owned()),
        event_type: "vibe_created".to_owned(),
        attempts: 0,
        suspect: false,
    }
}

fn book(max_inflight: usize) -> Book {
    let mut book = Book::new(max_inflight, 0, PACE);
    book.adopt(0, 0, Vec::new());
    let asked = book.unread();
    book.read(&asked, Vec::new(), 10);
    book
}

fn orders(book: &mut Book) -> Vec<Order> {
    book.take_orders(1000)
}

#[test]
fn heads_run_beside_each_other_and_successors_after_them() {
    let (mut book, now) = (book(10), Instant::now());
    book.recorded(vec![row(1, "a"), row(2, "a"), row(3, "b")]);
    assert_eq!(book.start(now, 10), [id(1), id(3)]);
    assert_eq!(book.start(now, 10), Vec::<Uuid>::new());
    book.answered(id(1), now);
    assert_eq!(book.start(now, 10), Vec::<Uuid>::new(), "answered is not settled");
    book.finished(id(1));
    assert_eq!(book.start(now, 10), [id(2)]);
}

#[test]
fn a_failing_head_sends_its_queue_behind_and_holds_back_nobody_else() {
    let (mut book, now) = (book(10), Instant::now());
    book.recorded(vec![row(1, "a"), row(2, "a"), row(3, "a")]);
    assert_eq!(book.start(now, 10), [id(1)]);
    book.blocked(id(1));
    book.recorded(vec![row(4, "a"), row(5, "b")]);
    assert_eq!(
        orders(&mut book),
        [Order::PutBehind(id(2)), Order::PutBehind(id(3)), Order::PutBehind(id(4))]
    );
    assert_eq!(book.start(now, 10), [id(5)]);
    book.due(vec![row(1, "a")]);
    assert_eq!(book.start(now, 10), [id(1)]);
    book.finished(id(1));
    let key = row(1, "a").key;
    assert_eq!(orders(&mut book), [Order::Load { lane: 0, key: key.clone(), number: 1 }]);
    book.recorded(vec![row(6, "a")]);
    assert_eq!(orders(&mut book), [Order::PutBehind(id(6))], "what comes meanwhile goes behind the rest");
    book.loaded(&key, 0, Vec::new());
    assert!(book.start(now, 10).is_empty(), "an earlier reading says nothing");
    book.loaded(&key, 1, vec![row(2, "a"), row(3, "a"), row(4, "a"), row(6, "a")]);
    assert_eq!(book.start(now, 10), [id(2)]);
}

#[test]
fn the_floor_stays_below_what_is_not_yet_put_behind() {
    let (mut book, now) = (book(10), Instant::now());
    book.recorded(vec![row(1, "a"), row(2, "a"), row(3, "b")]);
    assert_eq!(book.floors(), [(0, 0)]);
    book.start(now, 10);
    book.finished(id(3));
    book.blocked(id(1));
    assert_eq!(book.floors(), [(0, 1)], "row 2 is still ready in the database");
    let told = orders(&mut book);
    assert_eq!(book.floors(), [(0, 1)], "told is not carried out");
    book.carried_out(&told);
    assert_eq!(book.floors(), [(0, 3)]);
}

#[test]
fn a_sweep_takes_in_only_what_nobody_knows() {
    let mut book = book(10);
    book.recorded(vec![row(1, "a"), row(5, "b")]);
    assert_eq!(book.swept(vec![row(1, "a"), row(3, "c"), row(7, "d")]), 1, "row 7 is still to be read");
    assert_eq!(book.start(Instant::now(), 10), [id(1), id(5), id(3)]);
}

#[test]
fn an_aggregate_is_read_back_in_pages() {
    let (mut book, now) = (book(10), Instant::now());
    book.recorded(vec![row(1, "a"), row(2, "a")]);
    book.start(now, 1);
    book.blocked(id(1));
    orders(&mut book);
    let key = row(1, "a").key;
    book.closed(&key, 0, id(1), false);
    orders(&mut book);
    book.loaded(&key, 1, (2..2 + LOAD as u128).map(|n| row(n, "a")).collect());
    for n in 2..2 + LOAD as u128 {
        assert_eq!(book.start(now, 10), [id(n)]);
        book.finished(id(n));
    }
    assert_eq!(orders(&mut book), [Order::Load { lane: 0, key: key.clone(), number: 2 }]);
    book.loaded(&key, 2, Vec::new());
    assert!(!book.is_busy() && book.blockers().is_empty());
}

#[test]
fn never_more_calls_than_allowed() {
    let (mut book, now) = (book(3), Instant::now());
    book.recorded((1..10).map(|n| row(n, &n.to_string())).collect());
    assert_eq!(book.start(now, 100).len(), 3);
    assert!(!book.reserve(&row(20, "z"), now));
    book.answered(id(1), now);
    assert_eq!(book.start(now, 100).len(), 1);
}

#[test]
fn a_few_more_are_started_than_called() {
    let mut book = Book::new(3, 4, PACE);
    book.adopt(0, 0, Vec::new());
    let asked = book.unread();
    book.read(&asked, (1..20).map(|n| row(n, &n.to_string())).collect(), 100);
    let now = Instant::now();
    assert_eq!(book.start(now, 100).len(), 7);
    book.pace.set_down(true);
    book.answered(id(1), now);
    assert!(book.start(now, 100).is_empty(), "nothing ahead of a handler that is down");
}

#[test]
fn a_call_that_hangs_takes_one_place_whatever_came_in_it() {
    let mut book = Book::new(3, 10, PACE);
    book.adopt(0, 0, Vec::new());
    let asked = book.unread();
    book.read(&asked, (1..=40).map(|n| row(n, &n.to_string())).collect(), 100);
    let now = Instant::now();
    let hang = book.start(now, 7);
    assert_eq!((hang.len(), book.start(now, 100).len()), (7, 0), "3 called and 4 ahead");
    book.call_began(7);
    assert_eq!(book.start(now, 100).len(), 6, "the others' places, but no more attempts than 13");
    book.call_ended(7);
    assert!(book.start(now, 100).is_empty());
    hang.into_iter().for_each(|id| book.answered(id, now));
    assert_eq!(book.start(now, 100).len(), 1);
}

#[test]
fn a_probe_that_was_not_called_leaves_its_type_to_the_next() {
    let (mut book, now) = (book(5), Instant::now());
    book.recorded((1..=9).map(|n| row(n, &n.to_string())).collect());
    for failed in book.start(now, 5) {
        book.answered(failed, now);
        book.failed(failed, now);
        book.blocked(failed);
    }
    let probe = book.start(now, 5)[0];
    assert!(book.is_probe(probe) && !book.is_probe(id(1)));
    assert!(book.start(now, 5).is_empty());
    book.not_called(probe, now);
    book.returned(probe);
    assert_eq!(book.start(now, 5).len(), 1, "the next probe");
}

#[test]
fn what_waits_for_its_call_goes_back_when_its_type_fails() {
    let mut book = Book::new(3, 4, PACE);
    book.adopt(0, 0, Vec::new());
    let asked = book.unread();
    book.read(&asked, (1..20).map(|n| row(n, &n.to_string())).collect(), 100);
    let now = Instant::now();
    book.start(now, 100);
    assert!(book.may_be_called(id(7)));
    for n in 1..=3 {
        book.answered(id(n), now);
        book.failed(id(n), now);
        book.blocked(id(n));
    }
    assert!(!book.may_be_called(id(7)));
    let probe = book.start(now, 100);
    assert_eq!(probe.len(), 1);
    assert!(book.may_be_called(probe[0]));
}

#[test]
fn a_reservation_takes_the_place_of_a_start() {
    let (mut book, now) = (book(3), Instant::now());
    assert!(book.reserve(&row(1, "a"), now));
    assert!(!book.reserve(&row(2, "a"), now), "its aggregate is busy");
    book.placed(id(1), 7);
    book.recorded(vec![QueuedRow { pos: 8, ..row(2, "a") }]);
    assert_eq!(book.floors(), [(0, 6)]);
    book.answered(id(1), now);
    book.finished(id(1));
    assert_eq!(book.start(now, 10), [id(2)]);
}

#[test]
fn what_was_recorded_while_a_lane_was_read_is_read_again() {
    let mut book = Book::new(10, 0, PACE);
    book.adopt(0, 0, Vec::new());
    let asked = book.unread();
    book.recorded(vec![row(1, "a")]);
    book.read(&asked, Vec::new(), 10);
    assert_eq!(book.unread(), [(0, 0)], "not caught up");
    book.read(&[(0, 0)], vec![row(1, "a")], 10);
    assert!(book.unread().is_empty());
    assert_eq!(book.start(Instant::now(), 10), [id(1)]);
}

#[test]
fn on_taking_over_open_attempts_are_returned_and_orphans_are_loaded() {
    let mut book = Book::new(10, 0, PACE);
    let open = |n, aggregate: &str, state| OpenRow { row: row(n, aggregate), state, fence: 1 };
    let left = book.adopt(
        0,
        0,
        vec![
            open(1, "a", OpenState::Running),
            open(2, "a", OpenState::Behind),
            open(3, "b", OpenState::Waiting),
            open(4, "b", OpenState::Behind),
            open(5, "c", OpenState::Behind),
            open(6, "d", OpenState::Holding),
        ],
    );
    assert_eq!(left.iter().map(|o| o.row.message_id).collect::<Vec<_>>(), [id(1)]);
    assert_eq!(orders(&mut book), [Order::Load { lane: 0, key: row(5, "c").key, number: 1 }]);
    assert_eq!(book.start(Instant::now(), 10), Vec::<Uuid>::new());
    let mut blockers = book.blockers();
    blockers.sort_unstable();
    assert_eq!(blockers, [id(3), id(6)]);
}

#[test]
fn a_suspect_is_called_alone() {
    let (mut book, now) = (book(10), Instant::now());
    book.recorded(vec![row(1, "a")]);
    assert_eq!(book.start(now, 10), [id(1)]);
    book.recorded(vec![QueuedRow { suspect: true, ..row(2, "b") }, row(3, "c")]);
    assert_eq!(book.start(now, 10), Vec::<Uuid>::new(), "waits for the others to end");
    book.answered(id(1), now);
    book.finished(id(1));
    assert_eq!(book.start(now, 10), [id(2)]);
    assert_eq!(book.start(now, 10), Vec::<Uuid>::new(), "nobody beside it");
    assert!(!book.reserve(&row(9, "z"), now));
    book.answered(id(2), now);
    assert_eq!(book.start(now, 10), [id(3)]);
}

#[test]
fn a_failing_type_is_probed_and_its_overflow_waits_in_the_database() {
    let (mut book, now) = (book(5), Instant::now());
    book.recorded((1..=200).map(|n| row(n, &n.to_string())).collect());
    let other = QueuedRow { event_type: "other".to_owned(), ..row(900, "other") };
    for failed in book.start(now, 5) {
        book.answered(failed, now);
        book.failed(failed, now);
        book.blocked(failed);
    }
    assert_eq!(book.start(now, 5).len(), 1, "one probe");
    book.recorded(vec![other]);
    assert_eq!(book.start(now, 5), [id(900)], "other types go on");
    book.defer_failing();
    let deferred = orders(&mut book);
    assert_eq!(deferred.len(), 200 - 5 - 1 - 64);
    assert!(deferred.iter().all(|order| matches!(order, Order::Defer(_))));
}

#[test]
fn a_held_aggregate_waits_until_it_is_released() {
    let (mut book, now) = (book(5), Instant::now());
    book.recorded(vec![row(1, "a"), row(2, "a")]);
    book.start(now, 5);
    book.blocked(id(1));
    let key = row(1, "a").key;
    book.closed(&key, 0, id(1), true);
    assert_eq!(orders(&mut book), [Order::PutBehind(id(2))]);
    book.unblocked(id(1));
    assert_eq!(orders(&mut book), [Order::Load { lane: 0, key, number: 1 }]);
}

#[test]
fn a_hold_waits_for_the_head_that_goes_before_it() {
    let (mut book, now) = (book(5), Instant::now());
    book.recorded(vec![row(1, "a"), row(2, "a")]);
    book.start(now, 5);
    book.blocked(id(1));
    orders(&mut book);
    let key = row(1, "a").key;
    // A later event of the aggregate was unusable, and is dead.
    book.closed(&key, 0, id(3), true);
    book.due(vec![row(1, "a")]);
    assert_eq!(book.start(now, 5), [id(1)], "what waited has its turn");
    book.finished(id(1));
    assert_eq!(book.blockers(), [id(3)]);
    assert!(orders(&mut book).is_empty(), "held");
    book.unblocked(id(3));
    assert_eq!(orders(&mut book), [Order::Load { lane: 0, key, number: 1 }]);
}

#[test]
fn what_is_open_and_not_known_is_named() {
    let (mut book, now) = (book(5), Instant::now());
    book.recorded(vec![row(1, "a"), row(2, "b")]);
    book.start(now, 5);
    book.blocked(id(2));
    let open = |n, aggregate: &str, state| OpenRow { row: row(n, aggregate), state, fence: 1 };
    let known =
        [open(1, "a", OpenState::Running), open(2, "b", OpenState::Waiting), open(3, "b", OpenState::Behind)];
    assert!(book.strangers(&known).is_empty());
    let unknown =
        [open(4, "c", OpenState::Running), open(5, "d", OpenState::Behind), open(6, "e", OpenState::Holding)];
    assert_eq!(book.strangers(&unknown).len(), 3);
}

#[test]
fn what_a_handlers_transaction_holds_does_not_hold_up_a_hand_over() {
    let (mut book, now) = (book(5), Instant::now());
    book.recorded(vec![row(1, "a")]);
    book.start(now, 5);
    book.answered(id(1), now);
    assert!(!book.leave(0));
    book.held(id(1));
    assert!(book.leave(0));
}

#[test]
fn a_message_whose_giving_up_was_not_answered_holds_up_nobody() {
    for held in [false, true] {
        let (mut book, now) = (book(5), Instant::now());
        book.recorded(vec![row(1, "a"), row(2, "a")]);
        assert_eq!(book.start(now, 5), [id(1)]);
        book.answered(id(1), now);
        // Its letter is stored before the answer to its settlement has come, if that ever does.
        book.closed(&row(1, "a").key, 0, id(1), held);
        if held {
            assert_eq!(book.blockers(), [id(1)]);
        } else {
            assert_eq!(book.start(now, 5), [id(2)]);
        }
        assert!(book.lost_heads(0).is_empty());
    }
}

#[test]
fn a_failing_type_takes_no_place_from_what_could_start() {
    let (mut book, now) = (Book::new(25, 400, PACE), Instant::now());
    book.adopt(0, 0, Vec::new());
    let asked = book.unread();
    book.read(&asked, (1..=60).map(|n| row(n, &n.to_string())).collect(), 1000);
    for failed in book.start(now, 3) {
        book.answered(failed, now);
        book.failed(failed, now);
        book.blocked(failed);
    }
    for n in 0..=1000 {
        book.pace.ended(now + Duration::from_micros(n * 100));
    }
    let (free, _) = book.startable(now + Duration::from_millis(100)).unwrap();
    assert!(free >= 25 * 32, "the 57 that wait for a probe are not counted: {free}");
}

#[test]
fn suspects_that_went_away_hold_up_no_later_ones() {
    let (mut book, now) = (book(5), Instant::now());
    let suspect = |n, aggregate: &str| QueuedRow { suspect: true, ..row(n, aggregate) };
    book.recorded(vec![suspect(1, "a")]);
    book.adopt(0, 1, Vec::new());
    assert!(book.start(now, 5).is_empty());
    let later = now + Duration::from_secs(10);
    let asked = book.unread();
    book.read(&asked, vec![suspect(2, "b"), suspect(3, "c")], 10);
    assert_eq!(book.start(later, 5), [id(2)]);
    book.answered(id(2), later);
    assert_eq!(book.opens_at(), Some(later + Duration::from_millis(2)), "it stopped nobody");
}
