//! Messages that nobody should send: each becomes a row that gives back what came, byte by byte, or is
//! refused by itself as data that can never be kept.

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, RngSeed, TestRunner};
use sea_mq_event::inbox_lane;
use sea_mq_inbox::{Arrival, Ingest, Recorded, Unusable};
use tokio::runtime::Runtime;

use crate::support::{Context, all_lanes, arrival};

/// The same cases each time, unless `PROPTEST_RNG_SEED` says otherwise; more of them with `PROPTEST_CASES`.
fn config() -> Config {
    let told = Config::default();
    let rng_seed = if told.rng_seed == RngSeed::Random { RngSeed::Fixed(5) } else { told.rng_seed };
    let kept = FileFailurePersistence::Direct("tests/bad_input.regressions");
    Config { rng_seed, failure_persistence: Some(Box::new(kept)), ..told }
}

/// Bodies that a column of text, or of JSON, would change or refuse.
fn bodies() -> Vec<Bytes> {
    let mut bodies: Vec<Bytes> = [
        &b""[..],
        b"\0",
        b"\"\\u0000\"",
        b"\"\\ud800\"",
        b"\xff\xfe\xfd",
        b"\xef\xbb\xbf{}",
        b"\\x00",
        b"\\000",
        b"{\"a\":1,\"a\":2}",
        b"1e999999",
        b"-0.0",
        b"123456789012345678901234567890.123456789012345678901234567890",
        b" \r\n\t{ } \n",
        b"';DROP TABLE inbox_messages;--",
    ]
    .map(Bytes::from_static)
    .into();
    bodies.push(Bytes::from([b"[".repeat(100_000), b"]".repeat(100_000)].concat()));
    bodies.push(Bytes::from(vec![0; 1_048_576]));
    bodies.push(Bytes::from(
        (0..1_048_576_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect::<Vec<u8>>(),
    ));
    bodies
}

fn headers() -> Vec<Vec<(String, String)>> {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    vec![
        vec![],
        vec![pair("", "")],
        vec![pair("X-A", "1"), pair("X-A", "2"), pair("x-a", "3")],
        vec![
            pair("X-Nul", "\0"),
            pair("X-Esc", "\u{1b}[2J"),
            pair("X-Quote", "\"],[\""),
            pair("\u{202e}", "\u{feff}"),
        ],
        (0..10_000).map(|n| pair(&format!("X-{n}"), "v")).collect(),
        vec![pair("X-Big", &"é\\".repeat(300_000))],
    ]
}

fn of(body: Bytes, headers: Vec<(String, String)>) -> Arrival {
    Arrival { body, headers, start: true, ..arrival(None, 1) }
}

async fn record(context: &Context, group: &[Arrival]) -> Result<usize, String> {
    let right = Ingest { recorded_seq: 1, ..context.ingest.clone() };
    match context.inbox.record(&right, group).await {
        Ok(Recorded::New(rows)) => Ok(rows.len()),
        Ok(Recorded::LeaseLost) => panic!("the lease is held"),
        Err(error) => {
            assert!(error.refuses_data(), "{error:?}");
            Err(error.to_string())
        }
    }
}

/// What the database gives back for its next attempt and for its letter is what came.
async fn comes_back(context: &Context, messages: &[Arrival]) {
    let ids: Vec<_> = messages.iter().map(|message| message.message_id).collect();
    for attempt in context.inbox.start(context.instance(), &ids).await.unwrap() {
        let came = messages.iter().find(|message| message.message_id == attempt.message_id).unwrap();
        assert_eq!((&attempt.body, &attempt.headers), (&came.body, &came.headers));
        assert_eq!((&attempt.subject, &attempt.event_type), (&came.subject, &came.event_type));
        assert_eq!(
            (&attempt.aggregate_type, &attempt.aggregate_id),
            (&came.aggregate_type, &came.aggregate_id)
        );
    }
    for letter in context.inbox.letters(&all_lanes(), 0, 10_000).await.unwrap() {
        let came = messages.iter().find(|message| message.message_id == letter.message_id);
        let Some(came) = came else { continue };
        assert_eq!(
            (&letter.body, &letter.headers, &letter.subject),
            (&came.body, &came.headers, &came.subject)
        );
        assert_eq!(letter.error.as_ref(), came.unusable.as_ref().map(|unusable| &unusable.error));
    }
}

#[tokio::test]
async fn what_came_is_kept_as_it_came() {
    let context = Context::new().await;
    let ready = bodies().into_iter().map(|body| Arrival { start: false, ..of(body, Vec::new()) });
    let dying = headers().into_iter().map(|headers| Arrival {
        unusable: Some(Unusable { reason: "malformed", error: "of no use".to_owned() }),
        ..of(Bytes::from_static(b"\xff"), headers)
    });
    let messages: Vec<Arrival> = ready.chain(dying).collect();
    assert_eq!(record(&context, &messages).await, Ok(messages.len()));
    comes_back(&context, &messages).await;
    let left = context.inbox.letters(&all_lanes(), 0, 10_000).await.unwrap();
    assert_eq!(left.len(), headers().len());
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[a-z.]{0,40}", "\\PC{300,600}", "[\0-\u{1f}]{0,4}"]
}

fn message() -> impl Strategy<Value = Arrival> {
    let bytes = prop::collection::vec(any::<u8>(), 0..80);
    let given = prop::collection::vec((text(), text()), 0..4);
    let (kind, id) = (prop::option::of(text()), prop::option::of(text()));
    let unusable = prop::option::of(text());
    (text(), kind, id, prop::option::of(text()), any::<Option<i32>>(), bytes, given, unusable, any::<i64>())
        .prop_map(
            |(
                subject,
                aggregate_type,
                aggregate_id,
                event_type,
                event_version,
                body,
                headers,
                unusable,
                stream_seq,
            )| {
                let plain = arrival(None, stream_seq);
                Arrival {
                    lane: inbox_lane(aggregate_type.as_deref(), aggregate_id.as_deref(), plain.message_id),
                    unusable: unusable.map(|error| Unusable { reason: "malformed", error }),
                    body: Bytes::from(body),
                    subject,
                    event_type,
                    event_version,
                    aggregate_type,
                    aggregate_id,
                    headers,
                    ..plain
                }
            },
        )
}

/// In groups, as they come: a group is kept whole or refused whole, and then each by itself.
#[test]
fn any_message_is_kept_or_refused_by_itself() {
    let runtime = Runtime::new().unwrap();
    let context = runtime.block_on(Context::new());
    let mut runner = TestRunner::new(Config { cases: config().cases / 8, ..config() });
    let groups = prop::collection::vec(message(), 1..16);
    let judged = runner.run(&groups, |group| {
        runtime.block_on(async {
            let mut kept = Vec::new();
            if record(&context, &group).await.is_ok() {
                kept = group;
            } else {
                for message in group {
                    let nothing_odd = [&message.subject]
                        .into_iter()
                        .chain(&message.aggregate_id)
                        .chain(&message.aggregate_type)
                        .chain(&message.event_type)
                        .chain(message.unusable.as_ref().map(|unusable| &unusable.error))
                        .all(|text| !text.contains('\0') && text.len() <= 500);
                    match record(&context, std::slice::from_ref(&message)).await {
                        Ok(_) => kept.push(message),
                        Err(why) => assert!(!nothing_odd, "{why}: {message:?}"),
                    }
                }
            }
            comes_back(&context, &kept).await;
            let ids: Vec<_> = kept.iter().map(|message| message.message_id).collect();
            forget(&context, &ids).await;
        });
        Ok(())
    });
    judged.unwrap();
}

/// So that the next group's letters are its own.
async fn forget(context: &Context, ids: &[uuid::Uuid]) {
    sqlx::query("DELETE FROM inbox_messages WHERE message_id = ANY ($1)")
        .bind(ids)
        .execute(&mut context.superuser().await)
        .await
        .unwrap();
}
