//! Letters of originals that nobody should have sent: whatever they were, the letter can be stored.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, RngSeed};
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::DeadLetter;
use super::sendable_subject;
use crate::publish::{Outgoing, check_subject, headers};

const MAX_PAYLOAD: usize = 1_048_576;

/// The same cases each time, unless `PROPTEST_RNG_SEED` says otherwise; more of them with `PROPTEST_CASES`.
fn config() -> Config {
    let told = Config::default();
    let rng_seed = if told.rng_seed == RngSeed::Random { RngSeed::Fixed(5) } else { told.rng_seed };
    let kept = FileFailurePersistence::Direct("tests/bad_input.regressions");
    Config { rng_seed, failure_persistence: Some(Box::new(kept)), ..told }
}

fn letter(subject: &str, given: &[(String, String)], body: Bytes, error: &str) -> DeadLetter {
    DeadLetter {
        prefix: "sea.dlq.".to_owned(),
        subject: subject.to_owned(),
        headers: given.to_vec(),
        body,
        event_id: Uuid::from_u128(7),
        reason: "malformed".to_owned(),
        error: error.to_owned(),
        attempts: 1,
        consumer: "c".repeat(128),
        stream: "S".repeat(128),
        stream_seq: u64::MAX,
        failed_at: OffsetDateTime::UNIX_EPOCH,
        epoch: i32::MAX,
    }
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// Bytes of the message as a server counts them.
fn size(out: &Outgoing) -> usize {
    let map = headers(&"D".repeat(128), out.message_id.clone(), out.headers.clone()).unwrap();
    let lines = map.iter().flat_map(|(name, values)| {
        values.iter().map(move |value| AsRef::<str>::as_ref(name).len() + value.as_str().len() + 4)
    });
    "NATS/1.0\r\n\r\n".len() + lines.sum::<usize>() + out.payload.len()
}

fn value<'a>(out: &'a Outgoing, name: &str) -> Option<&'a str> {
    out.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
}

/// A server takes it, and what the letter says itself is short and printable.
fn check(out: &Outgoing) {
    check_subject(&out.subject).unwrap();
    assert!(out.subject.starts_with("sea.dlq.") && out.subject.len() <= 1024, "{}", out.subject);
    assert!(size(out) <= MAX_PAYLOAD, "{} bytes", size(out));
    for (name, value) in out.headers.iter().filter(|(name, _)| name.starts_with("X-Dlq-")) {
        assert!(value.len() <= 1024 && !value.contains(char::is_control), "{name}: {value:?}");
    }
}

#[test]
fn subjects_that_no_message_can_have() {
    for (subject, becomes) in [
        ("vibespro.event.a.v1", "vibespro.event.a.v1"),
        ("vibespro.event.\u{a0}b", "vibespro.event._b"),
        ("vibespro.event.a\tb\u{1}\u{7f}", "vibespro.event.a_b__"),
        ("vibespro.event.*.>", "vibespro.event._._"),
        ("vibespro..v1.", "vibespro._.v1._"),
        ("", "_"),
        (".", "_._"),
        ("\u{85}\u{2028}\u{3000}", "___"),
        ("vibespro.event.é", "vibespro.event.é"),
    ] {
        let out = letter(subject, &[], Bytes::new(), "").into_outgoing(MAX_PAYLOAD);
        assert_eq!(out.subject, format!("sea.dlq.{becomes}"), "{subject:?}");
        assert_eq!(value(&out, "X-Dlq-Subject").is_some(), subject != becomes, "{subject:?}");
        check(&out);
    }
    for long in ["a".repeat(4000), "a.".repeat(2000), "é".repeat(2000), "a\u{3000}.".repeat(700)] {
        let out = letter(&long, &[], Bytes::new(), "").into_outgoing(MAX_PAYLOAD);
        assert!(out.subject.len() > 1000 && value(&out, "X-Dlq-Subject").is_some());
        check(&out);
    }
}

#[test]
fn headers_that_cannot_be_sent_are_named() {
    let given = [
        ("X A", "b"),
        ("X:A", "b"),
        ("", "b"),
        ("Ä", "b"),
        ("X-Cr", "a\rNats-Msg-Id: x"),
        ("X-Nul", "\0"),
        ("X-Esc", "\u{1b}[2J"),
        ("Nats-Rollup", "all"),
        ("nats-expected-stream", "OTHER"),
        ("x-dlq-reason", "mine"),
        ("X-EVENT-ID", "mine"),
    ];
    let out = letter("s", &given.map(|(name, value)| pair(name, value)), Bytes::new(), "")
        .into_outgoing(MAX_PAYLOAD);
    check(&out);
    assert_eq!(value(&out, "X-Dlq-Left-Out"), Some("X A, X:A, , Ä, X-Cr, X-Nul"));
    assert_eq!((value(&out, "X-Esc"), value(&out, "X-Dlq-Reason")), (Some("\u{1b}[2J"), Some("malformed")));
    assert!(!out.headers.iter().any(|(name, _)| name.to_ascii_lowercase().starts_with("nats-")));
}

#[test]
fn what_leaves_no_room_for_the_letter_is_left_out_and_named() {
    let small = || vec![pair("X-Correlation-Id", "c"), pair("X-A", "1"), pair("X-A", "2")];
    let full = |headers: Vec<(String, String)>, bytes: usize| {
        let out = letter("s", &headers, Bytes::from(vec![b'1'; bytes]), "why").into_outgoing(MAX_PAYLOAD);
        check(&out);
        out
    };
    let fits = full(small(), MAX_PAYLOAD - 16 * 1024);
    assert_eq!((fits.payload.len(), value(&fits, "X-Dlq-Left-Out")), (MAX_PAYLOAD - 16 * 1024, None));
    for bytes in [MAX_PAYLOAD - 1024, MAX_PAYLOAD, 8 * MAX_PAYLOAD] {
        let out = full(small(), bytes);
        assert_eq!((out.payload.len(), value(&out, "X-Dlq-Left-Out")), (0, Some("body")));
        assert_eq!(out.headers[..3], small());
    }
    let out = full([small(), vec![pair("X-Big", &"x".repeat(MAX_PAYLOAD))]].concat(), 100);
    assert_eq!((out.payload.len(), value(&out, "X-Dlq-Left-Out")), (100, Some("X-Big")));
    let many: Vec<_> = (0..60_000).map(|n| pair(&format!("X-{n}"), "twenty bytes of value")).collect();
    let out = full(many, 5000);
    assert!(value(&out, "X-Dlq-Left-Out").unwrap().starts_with("body, X-"));
}

/// Texts that begin like what is meant, and texts that do not.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[!-~]{0,20}", "(Nats-|X-Dlq-|X-Event-Id|traceparent|X-A)[!-~]{0,4}"]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_letter_can_always_be_stored(
        subject in prop_oneof![text(), "[a-z.*> ]{0,40}"],
        given in prop::collection::vec((text(), text()), 0..6),
        error in any::<String>(),
        body in prop::collection::vec(any::<u8>(), 0..60),
        bytes in prop_oneof![Just(0), 1_000_000..1_100_000_usize],
    ) {
        let body = body.iter().copied().cycle().take(bytes.min(bytes * body.len())).collect::<Bytes>();
        let out = letter(&subject, &given, body.clone(), &error).into_outgoing(MAX_PAYLOAD);
        check(&out);
        prop_assert!(out.payload == body || value(&out, "X-Dlq-Left-Out").is_some());
        // What is carried on is carried as it was, in its order.
        let mut left = given.iter();
        for kept in out.headers.iter().take_while(|(name, _)| name != "X-Dlq-Reason") {
            prop_assert!(left.any(|original| original == kept), "{kept:?}");
        }
    }

    #[test]
    fn a_subject_that_can_be_sent_stays(subject in "[!-)+-=?-~&&[^.]]{1,20}(\\.[!-)+-=?-~&&[^.]]{1,20}){0,5}") {
        prop_assert_eq!(sendable_subject(&subject), subject);
    }
}
