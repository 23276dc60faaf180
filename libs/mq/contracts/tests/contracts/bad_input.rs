//! Payloads and schemas that nobody should write: each is judged, and none is an end of the process.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, RngSeed};
use sea_mq_contracts::Contracts;
use serde_json::{Value, json};

use crate::{ORDER, folder, order, put};

const SUBJECT: &str = "shop.event.order_placed.v1";

/// The same cases each time, unless `PROPTEST_RNG_SEED` says otherwise; more of them with `PROPTEST_CASES`.
fn config() -> Config {
    let told = Config::default();
    let rng_seed = if told.rng_seed == RngSeed::Random { RngSeed::Fixed(5) } else { told.rng_seed };
    let kept = FileFailurePersistence::Direct("tests/bad_input.regressions");
    Config {
        cases: told.cases.saturating_mul(2),
        rng_seed,
        failure_persistence: Some(Box::new(kept)),
        ..told
    }
}

/// Formats that read the text, with code of their own each.
const FORMATS: &[&str] = &[
    "date",
    "date-time",
    "time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "iri",
    "iri-reference",
    "uri-template",
    "uuid",
    "json-pointer",
    "relative-json-pointer",
    "regex",
];

/// One field for each rule that a payload may put to the test.
static CONTRACTS: LazyLock<Contracts> = LazyLock::new(|| {
    let mut fields = json!({
        "tree": { "$ref": "#/$defs/tree" },
        "price": { "type": "number", "multipleOf": 0.01, "minimum": -1e300, "exclusiveMaximum": 1e300 },
        "pieces": { "type": "integer", "multipleOf": 3 },
        "code": { "type": "string", "pattern": "^(a|a)*$", "minLength": 1, "maxLength": 20 },
        "unique": { "type": "array", "uniqueItems": true, "contains": { "const": 1.0 } },
        "choice": { "oneOf": [{ "type": "string" }, { "enum": [1, 1.5, null, { "a": [] }] }] },
        "names": { "propertyNames": { "pattern": "^[a-z]+$" }, "patternProperties": { "^x": { "type": "null" } } },
    });
    for format in FORMATS {
        fields[format.replace('-', "_")] = json!({ "type": "string", "format": format });
    }
    let mut schema = order(fields);
    schema["required"] = json!([]);
    schema["$defs"] = json!({ "tree": { "type": "array", "items": { "$ref": "#/$defs/tree" } } });
    Contracts::load(folder(&[(ORDER, schema)]).path()).unwrap()
});

fn fields() -> Vec<String> {
    let others = ["tree", "price", "pieces", "code", "unique", "choice", "names", "more"].map(str::to_owned);
    FORMATS.iter().map(|format| format.replace('-', "_")).chain(others).collect()
}

fn check(payload: &[u8]) {
    if let Err(violation) = CONTRACTS.check(SUBJECT, payload) {
        let text = violation.to_string();
        assert!(text.chars().count() <= 2000 && !text.contains(char::is_control), "{text:?}");
    }
}

/// Values, as JSON text, that readers of numbers, texts and formats have stumbled over.
const VALUES: &[&str] = &[
    "1e308",
    "-1e308",
    "1e309",
    "1e-400",
    "5e-324",
    "-0",
    "-0.0",
    "0.1",
    "9007199254740993",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775809",
    "1.7976931348623157e308",
    "123456789012345678901234567890.5",
    r#""""#,
    r#""\u0000""#,
    r#""\ud800""#,
    r#""\udc00\ud800""#,
    r#""\ufeff""#,
    r#""١٢٣""#,
    r#""é-é""#,
    r#""2024-02-30""#,
    r#""0000-00-00T00:00:00Z""#,
    r#""2016-12-31T23:59:60Z""#,
    r#""2024-01-01T24:00:00Z""#,
    r#""é024-01-01T00:00:00Z""#,
    r#""2024-01-01T00:00:00+99:99""#,
    r#""2024-01-01T00:00:00.é""#,
    r#""99999-01-01""#,
    r#""23:59:60Z""#,
    r#""1é:00:00Z""#,
    r#""P""#,
    r#""PT""#,
    r#""P1Y2M3DT4H5M6S""#,
    r#""P99999999999999999999Y""#,
    r#""a@""#,
    r#""@b""#,
    r#""a@[IPv6:::1]""#,
    r#""\"a b\"@c""#,
    r#""a..b@c.é""#,
    r#""-.a""#,
    r#""xn--""#,
    r#""xn--é""#,
    r#""xn--99999999999999""#,
    r#""ー・""#,
    r#""256.0.0.1""#,
    r#""01.1.1.1""#,
    r#""::1%eth0""#,
    r#""1::2::3""#,
    r#""http://[""#,
    r#""http://%zz""#,
    r#"":""#,
    r#""{""#,
    r#""{é}""#,
    r#""{a:99999}""#,
    r#""~""#,
    r#""/~2""#,
    r#""0#""#,
    r#""99999999999999999999#""#,
    r#""(""#,
    r#""(?<n>a)\\k<n>""#,
    r#""a{99999999}""#,
    r#""[z-a]""#,
    "[1,1.0,1e0]",
    r#"{"a":1,"a":2}"#,
    r#"{"":{}}"#,
    r#"{"~1/~0":1}"#,
];

#[test]
fn known_nasties_are_judged() {
    for field in fields() {
        for value in VALUES {
            check(format!("{{\"{field}\":{value}}}").as_bytes());
        }
    }
}

#[test]
fn large_payloads_are_judged_in_time() {
    let started = Instant::now();
    let long = |unit: &str, count: usize| serde_json::Value::String(unit.repeat(count)).to_string();
    for field in fields() {
        for value in [
            long("a", 1_000_000),
            long("1.", 300_000),
            long("xn--", 200_000),
            long("é", 300_000),
            long("(", 500_000),
            long("{", 500_000),
            long("/~0", 300_000),
            format!("[{}1]", "1,".repeat(20_000)),
            format!("[{}[]]", "[0],".repeat(20_000)),
            format!("{}{}", "[".repeat(126), "]".repeat(126)),
            format!("{{{}\"z\":1}}", (0..20_000).map(|n| format!("\"x{n}\":{n},")).collect::<String>()),
            "9".repeat(500_000),
            format!("0.{}", "9".repeat(500_000)),
            format!("1e{}", "9".repeat(500_000)),
        ] {
            let one = Instant::now();
            check(format!("{{\"{field}\":{value}}}").as_bytes());
            let took = one.elapsed();
            assert!(took < Duration::from_secs(5), "{field}: {}… took {took:?}", &value[..20]);
        }
    }
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn schemas_that_lead_nowhere_are_refused_or_end() {
    for schema in [
        json!({ "a": { "$ref": "#" } }),
        json!({ "a": { "$ref": "#/properties/a" } }),
        json!({ "a": { "$ref": "#/properties/b" }, "b": { "$ref": "#/properties/a" } }),
        json!({ "a": { "$dynamicRef": "#nowhere" } }),
        json!({ "a": { "$ref": "#/~2/%zz" } }),
        json!({ "a": { "allOf": [{ "$ref": "#/properties/a" }, {}] } }),
        json!({ "a": { "minLength": -1 } }),
        json!({ "a": { "maxItems": 1e300 } }),
        json!({ "a": { "multipleOf": 0 } }),
        json!({ "a": { "multipleOf": 1e-300 } }),
        json!({ "a": { "pattern": "(a{1000}){1000}" } }),
        json!({ "a": { "pattern": "\\ud800" } }),
        json!({ "a": { "enum": [] } }),
        json!({ "a": { "$id": "\u{0}" } }),
        json!({ "a": { "$anchor": "é" } }),
    ] {
        let folder = folder(&[(ORDER, order(schema.clone()))]);
        match Contracts::load(folder.path()) {
            Ok(contracts) => {
                for payload in
                    [json!({ "a": 1 }), json!({ "a": "a" }), json!({ "a": {} }), json!({ "a": [1e300] })]
                {
                    let _ = contracts.check(SUBJECT, payload.to_string().as_bytes());
                }
            }
            Err(refused) => {
                assert!(refused.to_string().contains("order_placed.v1.json"), "{schema}: {refused}");
            }
        }
    }
}

fn value() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        any::<String>(),
        "[0-9TZ:.+é-]{0,30}",
        "[a-z0-9.@%:/?#\\[\\]{}~é-]{0,30}",
        "P[0-9YMDTHSW.]{0,12}",
    ];
    let leaf = prop_oneof![
        prop::sample::select(VALUES).prop_map(str::to_owned),
        text.prop_map(|text| Value::String(text).to_string()),
        "-?[0-9]{1,30}(\\.[0-9]{1,20})?([eE][-+]?[0-9]{1,4})?",
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(("[a-zx~/]{0,3}", inner), 0..4).prop_map(|pairs| {
                let pairs: Vec<String> =
                    pairs.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", pairs.join(","))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_payload_is_judged(pairs in prop::collection::vec((prop::sample::select(fields()), value()), 0..6)) {
        let pairs: Vec<String> = pairs.iter().map(|(field, value)| format!("\"{field}\":{value}")).collect();
        check(format!("{{{}}}", pairs.join(",")).as_bytes());
    }

    #[test]
    fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        check(&bytes);
    }

    #[test]
    fn any_schema_is_taken_or_refused(text in value(), at in prop::sample::select(&["properties", "$defs", "items", "$ref", "type", "pattern", "format"])) {
        let Ok(value) = serde_json::from_str::<Value>(&text) else { return Ok(()) };
        let mut schema = order(json!({}));
        schema[at] = value;
        let folder = folder(&[]);
        put(folder.path(), ORDER, &schema.to_string());
        if let Ok(contracts) = Contracts::load(folder.path()) {
            let _ = contracts.check(SUBJECT, b"{\"a\":[1,\"a\"]}");
        }
    }
}
