#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use sea_mq_outbox::{Claimed, Cursor, Position};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Behind, Book};

fn row(lane: i16, seq: i64, aggregate: Option<&str>) -> Claimed {
    Claimed {
        id: Uuid::from_u128(u128::try_from(seq).unwrap()),
        subject: "sea.event.case_created.v1".to_owned(),
        event_type: "case_created".to_owned(),
        event_version: 1,
        aggregate_type: Some("case".to_owned()),
        aggregate_id: aggregate.map(str::to_owned),
        payload: "{}".to_owned(),
        occurred_at: OffsetDateTime::UNIX_EPOCH,
        correlation_id: Uuid::nil(),
        causation_id: None,
        trace_id: None,
        since: OffsetDateTime::UNIX_EPOCH,
        lane,
        seq,
        behind_parked: false,
    }
}

fn owning(lane: i16) -> Book {
    let mut book = Book::default();
    book.own(lane, None);
    book
}

fn take(book: &mut Book, rows: Vec<Claimed>) -> Vec<Uuid> {
    let asked = book.cursors(100);
    ids(&book.take(&asked, &asked, rows, 100, false))
}

fn ids(behind: &[Behind]) -> Vec<Uuid> {
    behind.iter().map(|row| row.id).collect()
}

fn sendable(book: &mut Book, now: Instant) -> Vec<i64> {
    std::iter::from_fn(|| book.next_to_send(now).map(|s| s.row.seq)).collect()
}

#[test]
fn one_in_flight_per_aggregate_and_others_beside_it() {
    let (mut book, now) = (owning(1), Instant::now());
    take(&mut book, vec![row(1, 1, Some("a")), row(1, 2, Some("a")), row(1, 3, Some("b")), row(1, 4, None)]);
    assert_eq!(sendable(&mut book, now), [1, 3, 4]);
    book.acked(&row(1, 1, Some("a")));
    assert_eq!(sendable(&mut book, now), [2]);
}

#[test]
fn a_failed_event_goes_again_before_its_successor_and_holds_back_nobody_else() {
    let (mut book, now) = (owning(1), Instant::now());
    take(&mut book, vec![row(1, 1, Some("a")), row(1, 2, Some("a")), row(1, 3, Some("b"))]);
    assert_eq!(sendable(&mut book, now), [1, 3]);
    book.failed(&row(1, 1, Some("a")), now);
    assert_eq!(sendable(&mut book, now), Vec::<i64>::new());
    let later = book.next_wake().unwrap();
    assert!(later > now && later <= now + Duration::from_secs(2));
    let again = book.next_to_send(later).unwrap();
    assert_eq!((again.row.seq, again.failures), (1, 1));
}

#[test]
fn parking_returns_the_queue_to_be_held() {
    let (mut book, now) = (owning(1), Instant::now());
    take(&mut book, vec![row(1, 1, Some("a")), row(1, 2, Some("a")), row(1, 3, Some("a"))]);
    let first = book.next_to_send(now).unwrap().row;
    assert_eq!(ids(&book.parked(&first)), [Uuid::from_u128(2), Uuid::from_u128(3)]);
    assert!(!book.is_busy());
}

#[test]
fn what_could_not_be_held_is_read_again_and_no_floor_passes_it() {
    let (mut book, now) = (owning(1), Instant::now());
    take(&mut book, vec![row(1, 1, Some("a")), row(1, 2, Some("a")), row(1, 3, Some("a")), row(1, 4, None)]);
    let first = book.next_to_send(now).unwrap().row;
    book.marked(&[(1, 1)]);
    let behind = book.parked(&first);
    book.unheld(&behind);
    assert_eq!(book.floors(), [(1, 1)]);
    assert_eq!(book.cursors(100), [Cursor { lane: 1, after: 1 }]);
    let again = |seq| Claimed { behind_parked: true, ..row(1, seq, Some("a")) };
    assert_eq!(take(&mut book, vec![again(2), again(3), row(1, 4, None)]), ids(&behind));
}

#[test]
fn a_late_row_takes_the_cursor_back() {
    let mut book = owning(1);
    take(&mut book, vec![row(1, 10, None)]);
    assert!(book.cursors(100).is_empty(), "drained");
    book.heard(&[(1, 4), (2, 1)]);
    assert_eq!(book.cursors(100), [Cursor { lane: 1, after: 3 }]);
    take(&mut book, vec![row(1, 4, None), row(1, 10, None)]);
    assert_eq!(sendable(&mut book, Instant::now()), [10, 4], "row 10 is in hand once");
}

#[test]
fn the_floor_stays_below_what_is_not_marked() {
    let (mut book, now) = (owning(1), Instant::now());
    take(&mut book, vec![row(1, 5, None), row(1, 9, None)]);
    assert_eq!(book.floors(), [(1, 4)]);
    while let Some(sent) = book.next_to_send(now) {
        book.acked(&sent.row);
    }
    assert_eq!(book.floors(), [(1, 4)], "stored is not marked");
    book.marked(&[(1, 5)]);
    assert_eq!(book.floors(), [(1, 8)]);
    book.marked(&[(1, 9)]);
    assert_eq!(book.floors(), [(1, 9)]);
}

#[test]
fn a_lane_is_left_once_nothing_of_it_is_in_hand() {
    let (mut book, now) = (owning(1), Instant::now());
    take(&mut book, vec![row(1, 1, Some("a")), row(1, 2, Some("a"))]);
    let first = book.next_to_send(now).unwrap().row;
    assert!(!book.leave(1));
    assert_eq!(book.floors(), [(1, 0)], "the next owner reads both again");
    assert_eq!(sendable(&mut book, now), Vec::<i64>::new());
    book.acked(&first);
    assert!(!book.leave(1), "not marked yet");
    book.marked(&[(1, 1)]);
    assert!(book.leave(1));
    assert_eq!(book.floors(), [(1, 1)], "and finds what was never sent");
}

#[test]
fn what_its_stream_lost_is_read_again_before_what_was_not_sent() {
    let (mut book, now) = (owning(1), Instant::now());
    let rows = vec![row(1, 1, Some("a")), row(1, 2, Some("a")), row(1, 3, Some("a")), row(1, 4, Some("b"))];
    take(&mut book, rows.clone());
    assert_eq!(sendable(&mut book, now), [1, 4]);
    book.acked(&rows[0]);
    book.acked(&rows[3]);
    book.marked(&[(1, 4)]);
    book.unstored(&[(1, 1)]);
    assert_eq!(book.floors(), [(1, 0)], "a next owner would read it, too");
    assert_eq!(sendable(&mut book, now), Vec::<i64>::new(), "2 waits for 1");
    assert_eq!(book.cursors(100), [Cursor { lane: 1, after: 0 }]);
    take(&mut book, rows[..3].to_vec());
    let again = book.next_to_send(now).unwrap().row;
    assert_eq!(again.seq, 1);
    book.acked(&again);
    assert_eq!(sendable(&mut book, now), [2]);
    book.marked(&[(1, 1)]);
    assert_eq!(book.floors(), [(1, 1)]);
}

#[test]
fn an_event_in_flight_when_its_stream_was_lost_goes_again_in_its_place() {
    let (mut book, now) = (owning(1), Instant::now());
    let rows = vec![row(1, 1, Some("a")), row(1, 2, Some("a")), row(1, 3, Some("a"))];
    take(&mut book, rows.clone());
    book.next_to_send(now).unwrap();
    book.acked(&rows[0]);
    assert_eq!(sendable(&mut book, now), [2]);
    book.unstored(&[(1, 1)]);
    take(&mut book, rows.clone());
    assert_eq!(sendable(&mut book, now), Vec::<i64>::new(), "2 is still in flight");
    book.failed(&rows[1], now);
    let later = now + Duration::from_secs(3);
    let order: Vec<i64> = std::iter::from_fn(|| {
        let sent = book.next_to_send(later)?.row;
        book.acked(&sent);
        Some(sent.seq)
    })
    .collect();
    assert_eq!(order, [1, 2, 3]);
    assert!(book.is_busy() && book.bytes() == 0);
}

#[test]
fn a_claim_of_an_earlier_ownership_is_ignored() {
    let mut book = owning(1);
    let asked = book.cursors(100);
    book.disown(1);
    book.own(1, Some(&Position { lane: 1, floor: 7, snapshot: None }));
    book.take(&asked, &asked, vec![row(1, 3, None)], 100, false);
    assert!(!book.is_busy());
    assert_eq!(book.cursors(100), [Cursor { lane: 1, after: 7 }]);
}

#[test]
fn what_came_up_below_a_cursor_is_taken_before_what_lies_above() {
    let mut book = owning(1);
    take(&mut book, vec![row(1, 10, None)]);
    book.heard(&[(1, 20)]);
    let (asked, from) = (book.cursors(100), [Cursor { lane: 1, after: 4 }]);
    assert_eq!(asked, [Cursor { lane: 1, after: 10 }]);
    book.take(&asked, &from, vec![row(1, 5, Some("a")), row(1, 20, Some("a"))], 100, false);
    assert_eq!(sendable(&mut book, Instant::now()), [10, 5], "20 waits for 5");
    assert!(book.cursors(100).is_empty());
    book.heard(&[(1, 5)]);
    let (asked, from) = (book.cursors(100), [Cursor { lane: 1, after: 4 }]);
    book.take(&asked, &from, vec![row(1, 5, Some("a")), row(1, 6, None)], 2, false);
    assert_eq!(book.cursors(100), [Cursor { lane: 1, after: 6 }], "a full page goes on from its end");
}

#[test]
fn an_event_claimed_before_its_predecessor_was_parked_is_held() {
    let (mut book, now) = (owning(1), Instant::now());
    take(&mut book, vec![row(1, 4, Some("a"))]);
    let first = book.next_to_send(now).unwrap().row;
    book.heard(&[(1, 9)]);
    book.claiming();
    let asked = book.cursors(100);
    book.parked(&first);
    let held = book.take(&asked, &asked, vec![row(1, 9, Some("a"))], 100, false);
    assert_eq!(ids(&held), [Uuid::from_u128(9)]);
}

#[test]
fn rows_behind_a_parked_one_are_held_and_not_sent() {
    let mut book = owning(1);
    let held = Claimed { behind_parked: true, ..row(1, 2, Some("a")) };
    assert_eq!(take(&mut book, vec![held]), [Uuid::from_u128(2)]);
    assert!(!book.is_busy());
}

proptest! {
    /// Whatever the broker answers and in whatever order, each aggregate's events are first stored
    /// in order, and all of them in the end.
    #[test]
    fn order_holds_through_failures(
        aggregates in prop::collection::vec(0..4_u8, 1..40),
        answers in prop::collection::vec((0..8_usize, any::<bool>()), 0..400),
    ) {
        let mut book = owning(0);
        let rows: Vec<Claimed> = aggregates.iter().enumerate()
            .map(|(n, a)| row(0, i64::try_from(n).unwrap() + 1, Some(&a.to_string()))).collect();
        take(&mut book, rows.clone());
        let mut now = Instant::now();
        let mut flying: Vec<Claimed> = Vec::new();
        let mut stored: Vec<i64> = Vec::new();
        let mut answers = answers.into_iter().chain(std::iter::repeat((0, true)));
        while stored.len() < rows.len() {
            now += Duration::from_secs(3);
            while let Some(sent) = book.next_to_send(now) {
                flying.push(sent.row);
            }
            let (which, ok) = answers.next().unwrap();
            let answered = flying.remove(which % flying.len());
            if ok {
                stored.push(answered.seq);
                book.acked(&answered);
            } else {
                book.failed(&answered, now);
            }
        }
        let mut last: HashMap<u8, i64> = HashMap::new();
        for seq in &stored {
            let aggregate = aggregates[usize::try_from(*seq - 1).unwrap()];
            prop_assert!(last.insert(aggregate, *seq).is_none_or(|before| before < *seq));
        }
        prop_assert_eq!(book.in_flight(), 0);
    }
}
