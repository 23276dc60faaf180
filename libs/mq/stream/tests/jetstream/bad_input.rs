//! Messages that nobody should send, and letters of them.

use std::time::Duration;

use bytes::Bytes;
use sea_mq_stack::NatsOptions;
use sea_mq_stream::{AckToken, Broker, DeadLetter, Outgoing, Stored};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::range::{BREAKING, store_raw};
use crate::support::{PATIENCE, Place, own_server, place, place_on, pull_all, settings, until};

fn letter(place: &Place, seq: u64, subject: &str, headers: &[(&str, &str)], body: Bytes) -> Outgoing {
    let letter = DeadLetter {
        prefix: format!("{}.event.", place.prefix),
        subject: subject.to_owned(),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body,
        event_id: Uuid::new_v4(),
        reason: "malformed".to_owned(),
        error: "\u{1b}[2J\r\nX: y".to_owned() + &"é".repeat(2000),
        attempts: 1,
        consumer: "sea__from_vibespro".to_owned(),
        stream: "VIBESPRO_EVENTS".to_owned(),
        stream_seq: seq,
        failed_at: OffsetDateTime::UNIX_EPOCH,
        epoch: 0,
    };
    letter.into_outgoing(place.broker.max_payload())
}

/// What a server takes is known to the server alone: so it is asked.
#[tokio::test]
async fn a_letter_of_anything_is_stored_and_comes_back_as_it_was() {
    let place = place().await;
    place.create_durable(|config| config.max_ack_pending = 1000).await;
    let max = place.broker.max_payload();
    let (long, big) = ("a.".repeat(2000) + "a", "x".repeat(max - 100));
    let mut letters = Vec::new();
    for subject in ["a.v1", "a\u{a0}b", "a\u{3000}\u{85}b", "a\u{1}\u{7f}\u{b}", "*.>", "..", "", "é", &long]
    {
        letters.push(letter(&place, 1, subject, &[], Bytes::from_static(b"{}")));
    }
    for header in [
        ("X-A", "\u{1b}[2J"),
        ("X-A", "é\u{a0}"),
        ("X A", "b"),
        ("Ä", "b"),
        ("X-A", "a\rb"),
        ("X-A", "\0"),
        ("Nats-Rollup", "all"),
        ("Nats-Expected-Last-Sequence", "7"),
        ("X-Big", &big),
    ] {
        letters.push(letter(
            &place,
            2,
            "a",
            &[("X-B", "1"), header, ("X-B", "2")],
            Bytes::from_static(b"\xff\0"),
        ));
    }
    for size in [max - 4096, max - 1500, max - 1000, max] {
        letters.push(letter(&place, 3, "a", &[("X-B", "1")], Bytes::from(vec![0; size])));
    }
    for outgoing in &letters {
        let stored = place.broker.publish(&place.stream, outgoing.clone()).await;
        assert!(matches!(stored, Ok(Stored { duplicate: false, .. })), "{}: {stored:?}", outgoing.subject);
    }
    let came = pull_all(&mut place.durable().await, letters.len(), 1000).await;
    for (sent, came) in letters.iter().zip(came) {
        assert_eq!((&came.subject, &came.body), (&sent.subject, &sent.payload));
        assert_eq!(came.message_id.as_ref(), Some(&sent.message_id));
        for (name, value) in &sent.headers {
            let value = value.trim().to_owned();
            assert!(came.headers.contains(&(name.clone(), value)), "{name} of {}", sent.subject);
        }
    }
}

/// Pulls until the connection is lost or the client ended.
async fn pull_until_broken(place: &Place) {
    let mut durable = place.durable().await;
    let connects = place.broker.watch().borrow().connects;
    let pulling = async {
        while durable.next_group(10, 10, Duration::from_secs(1)).await.is_ok()
            && place.broker.watch().borrow().connects == connects
        {}
    };
    tokio::time::timeout(PATIENCE, pulling).await.expect("nothing broke the connection");
}

async fn unreadable(place: &Place, broker: &Broker, recorded: u64) -> Vec<u64> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        // The connection may just be lost.
        match broker.unreadable(&place.stream, "d", &place.subject(">"), recorded).await {
            Ok(found) => return found.into_iter().map(|message| message.stream_seq).collect(),
            Err(error) => assert!(tokio::time::Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// They never arrive, so nobody could acknowledge them.
#[tokio::test]
async fn delivered_messages_that_cannot_be_read_are_found_and_can_be_acknowledged() {
    let server = own_server(NatsOptions::nodes(1)).await;
    for block in BREAKING {
        let place = place_on(&server, |config| config).await;
        place.create_durable(|config| config.ack_wait = Duration::from_secs(1)).await;
        assert!(unreadable(&place, &place.broker, 0).await.is_empty());
        place.publish("a", 1..=2).await;
        store_raw(&place, &server, block).await;
        place.publish("a", 4..=4).await;
        pull_until_broken(&place).await;
        for recorded in [0, 2, 3, 9] {
            let found = unreadable(&place, &place.broker, recorded).await;
            assert_eq!(found, [3], "{} {recorded}", block.escape_ascii());
        }
        let mut durable = place.durable().await;
        durable.ack(&[AckToken::of(&place.stream, "d", 3)]).await.unwrap();
        let rest = pull_all(&mut durable, 3, 10).await;
        let tokens: Vec<_> = rest.into_iter().map(|delivery| delivery.ack).collect();
        durable.ack(&tokens).await.unwrap();
        until("all is acknowledged", async || {
            let facts = place.broker.consumer_info(&place.stream, "d").await.unwrap();
            (facts.ack_floor.stream_seq, facts.num_ack_pending) == (4, 0)
        })
        .await;
    }
}

/// The client library panics over it; that it is gone must be known, or the worker would wait for ever.
#[tokio::test]
async fn the_end_of_the_client_is_told_and_the_next_one_passes_the_message() {
    let server = own_server(NatsOptions::nodes(1)).await;
    let place = place_on(&server, |config| config).await;
    place.create_durable(|_| {}).await;
    store_raw(&place, &server, b"NATS/1.0\r\nX-A: a\rb\r\n\r\n").await;
    let (closed, ()) =
        tokio::join!(tokio::time::timeout(PATIENCE, place.broker.closed()), pull_until_broken(&place));
    let why = closed.expect("the end was not told");
    assert!(why.contains("carriage return") && why.contains("nats stream rmm"), "{why}");
    let next = Broker::connect(&settings(&server)).await.unwrap();
    assert_eq!(unreadable(&place, &next, 0).await, [1]);
    let durable = next.durable(&place.stream, "d").await.unwrap();
    durable.ack(&[AckToken::of(&place.stream, "d", 1)]).await.unwrap();
    until("it is acknowledged", async || {
        next.consumer_info(&place.stream, "d").await.unwrap().ack_floor.stream_seq == 1
    })
    .await;
}
