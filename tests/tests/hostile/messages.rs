//! Messages that no honest publisher sends: those that are known to be nasty, and others by chance.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use uuid::Uuid;

use crate::raw::RawMessage;

/// The largest message that the servers take.
const MAX_PAYLOAD: usize = 1_048_576;

type Pairs = Vec<(String, Vec<u8>)>;

fn message(subject: impl Into<Vec<u8>>, headers: Pairs, body: impl Into<Vec<u8>>) -> RawMessage {
    RawMessage { subject: subject.into(), block: Some(block("NATS/1.0", &headers)), body: body.into() }
}

fn block(first: &str, headers: &[(String, Vec<u8>)]) -> Vec<u8> {
    let lines = headers.iter().flat_map(|(name, value)| [name.as_bytes(), b": ", value, b"\r\n"].concat());
    [first.as_bytes(), b"\r\n"].concat().into_iter().chain(lines).chain(*b"\r\n").collect()
}

fn pair(name: &str, value: impl AsRef<[u8]>) -> (String, Vec<u8>) {
    (name.to_owned(), value.as_ref().to_vec())
}

fn id() -> (String, Vec<u8>) {
    pair("Nats-Msg-Id", Uuid::new_v4().to_string())
}

fn json_text(text: &str) -> Vec<u8> {
    serde_json::Value::String(text.to_owned()).to_string().into_bytes()
}

/// All that are known, for events below this prefix.
pub(crate) fn known(prefix: &str) -> Vec<RawMessage> {
    let subject = |rest: &str| format!("{prefix}{rest}");
    let mut all: Vec<RawMessage> =
        bodies().into_iter().map(|body| message(subject("vibe_drawn.v1"), vec![id()], body)).collect();
    // What always fails is probed at a pace of its own: a few of them.
    for (event, every) in
        [("vibe_drawn.v1", 1), ("poison.v1", 1), ("failing.v1", 12), ("not_by_the_grammar", 1)]
    {
        all.extend(headers().into_iter().step_by(every).map(|mut headers| {
            headers.insert(0, id());
            message(subject(event), headers, "{}")
        }));
    }
    all.extend(ids().into_iter().map(|headers| message(subject("vibe_drawn.v1"), headers, "{\"n\":1}")));
    all.extend(blocks().into_iter().map(|block| RawMessage {
        subject: subject("vibe_drawn.v1").into_bytes(),
        block: Some(block),
        body: b"{}".to_vec(),
    }));
    for rest in subjects() {
        let subject = [prefix.as_bytes(), &rest].concat();
        all.push(RawMessage { subject, block: None, body: b"{}".to_vec() });
    }
    all.extend(full(&subject("poison.v1")));
    all
}

fn bodies() -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = [
        &b""[..],
        b" ",
        b"\0",
        b"{}\0",
        b"{",
        b"{} {}",
        b"nul",
        b"NaN",
        b"'a'",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\0}\0",
        b"\"\xff\"",
        b"\"\xed\xa0\x80\"",
        b"\"a\nb\"",
        b"\"\\u0000\"",
        b"\"\\ud800\"",
        b"{\"a\":1,\"a\":2}",
        b"1e999999",
        b"-0.0",
        b"00",
        b"18446744073709551616",
        b"0.1000000000000000055511151231257827021181583404541015625",
        b"null",
        b"[]",
        b" \r\n\t{ \"a\" : [ ] } \n",
    ]
    .map(<[u8]>::to_vec)
    .into();
    let nested = |depth: usize| [b"[".repeat(depth), b"]".repeat(depth)].concat();
    bodies.extend([nested(100), nested(200), nested(100_000), b"[".repeat(100_000)]);
    bodies.extend([
        b"9".repeat(100_000),
        json_text(&"é".repeat(200_000)),
        json_text(&"\u{1}".repeat(50_000)),
    ]);
    bodies
}

fn headers() -> Vec<Pairs> {
    let long = "x".repeat(100_000);
    let mut headers = vec![Vec::new()];
    for name in [
        "X-Event-Version",
        "X-Event-Type",
        "X-Occurred-At",
        "X-Correlation-Id",
        "X-Causation-Id",
        "X-Aggregate-Type",
        "traceparent",
        "X-Dlq-Reason",
        "X-Event-Id",
        "X-!#$%&'*+^_`|~",
        "Content-Length",
    ] {
        for value in [
            "",
            "-1",
            "99999999999999999999",
            "\0",
            "\u{1b}[2J",
            "\u{202e}",
            "a\tb",
            "\"},{\"fence\":0,\"",
            &long,
        ] {
            headers.push(vec![pair(name, value)]);
        }
    }
    for aggregate in ["\0", "\u{1b}", &"a".repeat(1000), &"é".repeat(501), &long] {
        headers.push(vec![pair("X-Aggregate-Id", aggregate), pair("X-Aggregate-Type", "vibe")]);
    }
    headers.push(vec![pair("X-Aggregate-Id", "a"), pair("X-Aggregate-Type", "k".repeat(501))]);
    headers.push(vec![
        pair("X-A", "1"),
        pair("X-A", "2"),
        pair("x-a", "3"),
        pair("X-Aggregate-Id", "1"),
        pair("X-Aggregate-Id", "2"),
    ]);
    headers.push((0..3000).map(|n| pair(&format!("X-{n}"), "v")).collect());
    for (name, value) in [
        ("Nats-Expected-Stream", "OTHER"),
        ("Nats-Expected-Last-Sequence", "1"),
        ("Nats-Rollup", "all"),
        ("Nats-TTL", "1s"),
        ("Nats-Marker-Reason", "Purge"),
        ("Nats-Unheard-Of", "1"),
        ("Nats-Batch-Id", "b"),
        ("Nats-Schedule", "@at 2030-01-01T00:00:00Z"),
        ("Nats-Incr", "+1"),
    ] {
        headers.push(vec![pair(name, value)]);
    }
    headers
}

fn ids() -> Vec<Pairs> {
    let given = |text: &str| vec![pair("Nats-Msg-Id", text)];
    let mut ids: Vec<Pairs> =
        ["", " ", "42", "not-a-uuid", "\0", "0191f0a0-0000-7000-8000-00000000000g", "{}", "urn:uuid:"]
            .map(given)
            .into();
    let new = Uuid::new_v4;
    ids.extend(
        [
            new().simple().to_string(),
            new().braced().to_string(),
            new().urn().to_string(),
            new().to_string().to_uppercase(),
        ]
        .map(|text| given(&text)),
    );
    ids.extend([Vec::new(), given(&"i".repeat(100_000)), vec![id(), pair("Nats-Msg-Id", "another")]]);
    ids
}

/// Header blocks as a whole.
fn blocks() -> Vec<Vec<u8>> {
    let with = |first: &str| block(first, &[id()]);
    vec![
        b"NATS/1.0\r\n\r\n".to_vec(),
        b"NATS/1.0".to_vec(),
        with("NATS/1.0 503"),
        with("NATS/1.0 404 No Messages"),
        with("NATS/1.0 409 Consumer Deleted"),
        with("NATS/1.0 100 Idle Heartbeat"),
        [block("NATS/1.0", &[id(), pair("X-Folded", "a\r\n b\r\n\tc")]), b"\r\n\r\n".to_vec()].concat(),
        block("NATS/1.0", &[id(), pair("X-No-Space", "")]),
    ]
}

/// What follows the prefix of a subject, sent without headers: so none of them has an id.
fn subjects() -> Vec<Vec<u8>> {
    let mut subjects: Vec<Vec<u8>> = [
        "a",
        "A.v1",
        "a.v0",
        "a.b.c.d.e",
        "a..v1",
        "a.v1.",
        ".a",
        "*",
        "a.*.v1",
        ">",
        "a.>",
        "$JS.API",
        "é.v1",
        "a\u{a0}b.v1",
        "a\u{3000}b",
        "a\u{85}b",
        "a\u{2028}b",
        "a\u{1}b",
        "a\u{b}b",
        "a\u{c}b",
        "a\u{1b}[2J",
        "a\u{7f}",
        "\u{202e}a",
        "\u{feff}",
        "a\0b",
        "\"a\"",
        "'",
        "\\",
        "a;b",
        "%00",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into();
    for long in [
        "a".repeat(201),
        "a".repeat(1100),
        "é".repeat(1500),
        "a.".repeat(400) + "a",
        "a".repeat(3900),
        "a".repeat(5000),
    ] {
        subjects.push(long.into_bytes());
    }
    subjects
}

/// Messages that leave no room for a letter's headers.
fn full(subject: &str) -> Vec<RawMessage> {
    let head = vec![id(), pair("X-Correlation-Id", Uuid::new_v4().to_string())];
    let body = |size: usize| json_text(&"x".repeat(size - 2));
    let exact = MAX_PAYLOAD - block("NATS/1.0", &head).len();
    let big = pair("X-Big", "x".repeat(MAX_PAYLOAD - 500));
    vec![
        message(subject, head, body(exact)),
        message(subject, vec![id()], body(MAX_PAYLOAD - 1000)),
        message(subject, vec![id()], vec![b'{'; MAX_PAYLOAD - 500]),
        message(subject, vec![id(), big], "{}"),
        message(subject, vec![id()], body(MAX_PAYLOAD + 1)),
        RawMessage { subject: subject.into(), block: None, body: body(MAX_PAYLOAD) },
    ]
}

/// By chance: the same each time, unless `PROPTEST_RNG_SEED` says otherwise; more with `PROPTEST_CASES`.
pub(crate) fn by_chance(prefix: &str) -> Vec<RawMessage> {
    let told = Config::default();
    let rng_seed = if told.rng_seed == RngSeed::Random { RngSeed::Fixed(5) } else { told.rng_seed };
    let cases = told.cases;
    let mut runner = TestRunner::new(Config { rng_seed, failure_persistence: None, ..told });
    let any = any_message(prefix.to_owned());
    (0..cases).map(|_| any.new_tree(&mut runner).unwrap().current()).collect()
}

fn any_message(prefix: String) -> impl Strategy<Value = RawMessage> {
    // With headers, what is white space to somebody else would be taken for the subject's end.
    let rest = prop_oneof![
        prop::sample::select(&["vibe_drawn.v1", "poison.v1"]).prop_map(str::to_owned),
        "[!-~]{1,60}",
        "[a-zé_]{1,8}(\\.[a-z*>é\u{1}]{0,8}){0,4}",
    ];
    let body = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        any::<String>().prop_map(|text| json_text(&text)),
        "[\\[\\]{}:,\"0-9a-z\\\\ .-]{0,60}".prop_map(String::into_bytes),
    ];
    let given = prop_oneof![
        3 => Just(true).prop_map(|_| Some(Uuid::nil().to_string())),
        1 => prop::option::of("[ -~]{0,40}"),
    ];
    let name = prop_oneof![
        prop::sample::select(&[
            "X-Event-Version",
            "X-Occurred-At",
            "X-Aggregate-Id",
            "X-Aggregate-Type",
            "traceparent",
            "X-A"
        ])
        .prop_map(str::to_owned),
        "X-[!-9;-~]{1,20}",
    ];
    let value = prop_oneof!["[^\r\n]{0,40}", "[!-~]{0,40}"];
    (rest, given, prop::collection::vec((name, value), 0..5), body).prop_map(
        move |(rest, given, headers, body)| {
            // Each has an id of its own, or none.
            let nil = Uuid::nil().to_string();
            let own = given.map(|text| if text == nil { id() } else { pair("Nats-Msg-Id", text) });
            let headers =
                own.into_iter().chain(headers.iter().map(|(name, value)| pair(name, value))).collect();
            message(format!("{prefix}{rest}"), headers, body)
        },
    )
}
