//! Texts that no honest publisher sends. What is found by chance goes into the tables, which run first.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, RngSeed};
use sea_mq_event::{
    ContextName, LANES, Subject, dead_letter_message_id, inbox_lane, position_id, usable_message_id,
};
use uuid::Uuid;

/// The same cases each time, unless `PROPTEST_RNG_SEED` says otherwise; more of them with `PROPTEST_CASES`.
fn config() -> Config {
    let told = Config::default();
    let rng_seed = if told.rng_seed == RngSeed::Random { RngSeed::Fixed(5) } else { told.rng_seed };
    let kept = FileFailurePersistence::Direct("tests/bad_input.regressions");
    Config {
        cases: told.cases.saturating_mul(8),
        rng_seed,
        failure_persistence: Some(Box::new(kept)),
        ..told
    }
}

/// Near the grammar of subjects, and none.
const SUBJECTS: &[&str] = &[
    "",
    ".",
    "....",
    "sea",
    "sea.event",
    "sea.event.case_created",
    "sea.event.case_created.",
    "sea.event..v1",
    ".event.case_created.v1",
    "sea.event.case_created.v1.",
    ".sea.event.case_created.v1",
    "sea.event.case_created.v1.v1",
    "sea.event.case_created.v",
    "sea.event.case_created.v0",
    "sea.event.case_created.v00",
    "sea.event.case_created.v+1",
    "sea.event.case_created.v-1",
    "sea.event.case_created.v1e3",
    "sea.event.case_created.v1 ",
    "sea.event.case_created.V1",
    "sea.event.case_created.v2147483648",
    "sea.event.case_created.v9999999999",
    "sea.event.case_created.v١",
    "sea.event.case_created.v1\0",
    "sea.event.case_created.v1\r\nNats-Msg-Id: 1",
    "sea.event.case\u{a0}created.v1",
    "sea.event.case\u{200b}created.v1",
    "sea.event.\u{202e}detaerc_esac.v1",
    "sea.event.*.v1",
    "sea.event.>",
    "*.event.case_created.v1",
    "$JS.API.STREAM.DELETE.SEA_EVENTS",
    "_INBOX.a.b",
    "sea.dlq.sea.event.case_created.v1",
    "sea.EVENT.case_created.v1",
    "ſea.event.case_created.v1",
    "sea.event.cаse_created.v1",
    "sea.event._case.v1",
    "sea.event.1case.v1",
    "sea.event.case-created.v1",
];

/// What may stand in `Nats-Msg-Id` and is no id.
const IDS: &[&str] = &[
    "",
    " ",
    "0",
    "not-a-uuid",
    "0191f0a0-0000-7000-8000-00000000000",
    "0191f0a0-0000-7000-8000-0000000000011",
    "0191f0a0-0000-7000-8000-00000000000g",
    "0191f0a0-0000-7000-8000-000000000001 ",
    "0191f0a0-0000-7000-8000-000000000001\0",
    "0191f0a0-0000-7000-8000-000000000001/sea__from_vibespro/0",
    "０191f0a0-0000-7000-8000-000000000001",
    "{0191f0a0-0000-7000-8000-000000000001",
    "urn:uuid:",
    "\u{feff}0191f0a0-0000-7000-8000-000000000001",
];

#[test]
fn no_such_subject_is_taken() {
    for text in SUBJECTS {
        let refused = Subject::parse(text).expect_err(text);
        assert!(refused.to_string().contains("is not an event subject"), "{refused}");
    }
    for length in [200, 4096, 1 << 20] {
        let long = format!("sea.event.{}.v1", "a".repeat(length));
        assert!(Subject::parse(&long).is_err(), "{length}");
    }
    assert!(Subject::parse(&"a.".repeat(1 << 20)).is_err());
}

#[test]
fn no_such_id_is_usable() {
    for text in IDS {
        assert_eq!(usable_message_id(Some(text)), None, "{text:?}");
    }
    assert_eq!(usable_message_id(Some(&"0".repeat(1 << 20))), None);
}

/// The refusal of a text that somebody else chose goes into logs and terminals.
#[test]
fn a_refusal_repeats_little_and_no_control_character() {
    for text in ["\u{1b}[2J\u{7}\r\n".to_owned(), "é".repeat(1 << 20), "a".repeat(1 << 20)] {
        for said in [
            Subject::parse(&text).unwrap_err().to_string(),
            ContextName::parse(&text).unwrap_err().to_string(),
        ] {
            assert!(said.len() <= 1024 && !said.contains(char::is_control), "{} bytes", said.len());
        }
    }
}

/// Anything, near the grammar and far from it.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "\\PC{0,300}",
        "[a-z_]{0,6}(\\.[a-z_*>0-9 ]{0,6}){0,5}",
        "[a-z]{1,4}\\.event\\.[a-z_]{1,8}\\.v[0-9+-]{0,12}",
        ("[a-z]{1,4}\\.event\\.[a-z_]{1,8}\\.v[1-9]", any::<prop::sample::Index>(), any::<char>()).prop_map(
            |(text, at, odd)| {
                let mut chars: Vec<char> = text.chars().collect();
                chars.insert(at.index(chars.len() + 1), odd);
                chars.into_iter().collect()
            }
        ),
    ]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_subject_is_taken_whole_or_refused(text in text()) {
        match Subject::parse(&text) {
            Ok(subject) => {
                prop_assert_eq!(subject.to_string(), text);
                prop_assert!(subject.version() >= 1);
                prop_assert!(ContextName::parse(subject.context().as_str()).is_ok());
            }
            Err(refused) => {
                let said = refused.to_string();
                prop_assert!(said.len() <= 1024 && !said.contains(char::is_control), "{said}");
            }
        }
    }

    #[test]
    fn a_context_makes_names_that_a_broker_takes(text in prop_oneof![text(), "[a-z_0-9]{0,45}"]) {
        if let Ok(context) = ContextName::parse(&text) {
            for name in [context.event_stream(), context.dead_letter_stream()] {
                prop_assert!(name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_'));
            }
            prop_assert!(context.event_prefix() != context.dead_letter_prefix());
        }
    }

    #[test]
    fn any_message_has_an_id_and_a_lane(
        given in prop::option::of(text()), kind in prop::option::of(text()), id in prop::option::of(text()),
        stream in text(), incarnation: i128, sequence: u64, epoch: i32,
    ) {
        let message_id = usable_message_id(given.as_deref())
            .unwrap_or_else(|| position_id(&stream, incarnation, sequence));
        let lane = inbox_lane(kind.as_deref(), id.as_deref(), message_id);
        prop_assert!((0..LANES).contains(&lane));
        let letter = dead_letter_message_id(message_id, "sea__from_vibespro", epoch);
        prop_assert!(letter.starts_with(&message_id.to_string()) && letter.len() < 80);
    }

    #[test]
    fn an_id_in_any_of_its_spellings_is_one_id(n: u128, upper: bool) {
        let id = Uuid::from_u128(n);
        for text in [id.to_string(), id.simple().to_string(), id.urn().to_string(), id.braced().to_string()] {
            let text = if upper { text.to_ascii_uppercase() } else { text };
            if let Some(read) = usable_message_id(Some(&text)) {
                prop_assert_eq!(read, id);
            } else {
                prop_assert!(upper && text.starts_with("URN"), "{text}");
            }
        }
    }
}
