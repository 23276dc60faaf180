use std::io::Write;

use sea_mq_config::{ConfigError, Settings};
use tempfile::NamedTempFile;

use crate::with;

pub(crate) fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// Loads the least with the file and `more` on top.
pub(crate) fn with_file(text: &str, more: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let file = file(text);
    let path = file.path().to_str().unwrap();
    with(&[&[("CONFIG_FILE", path)], more].concat())
}

const TWO: &str = r#"
max_inflight = 10
nats_servers = ["nats://a:4222", "nats://b:4222"]

[[subscription]]
consume_stream = "VIBESPRO_EVENTS"
handler_url = "http://127.0.0.1:7001/handle"

[[subscription]]
consume_stream = "CASE_MGMT_EVENTS"
handler_url = "http://127.0.0.1:7003/handle"
max_inflight = 5
on_dead_letter = "hold"
"#;

#[test]
fn several_subscriptions() {
    let settings = with_file(TWO, &[]).unwrap();
    let durables: Vec<&str> = settings.subscriptions.iter().map(|s| s.durable.as_str()).collect();
    assert_eq!(durables, ["sea__from_vibespro", "sea__from_case_mgmt"]);
    let inflight: Vec<usize> = settings.subscriptions.iter().map(|s| s.max_inflight).collect();
    assert_eq!(inflight, [10, 5]);
    assert_eq!(settings.nats.servers, ["nats://a:4222", "nats://b:4222"]);
}

#[test]
fn variables_win_for_the_first_subscription_and_for_how_all_are_worked() {
    let settings = with_file(
        TWO,
        &[("DURABLE_NAME", "mine"), ("HANDLER_URL", "http://127.0.0.1:9/h"), ("MAX_INFLIGHT", "3")],
    )
    .unwrap();
    let [first, second] = settings.subscriptions.as_slice() else { panic!("two subscriptions") };
    assert_eq!((first.durable.as_str(), first.handler_url.as_str()), ("mine", "http://127.0.0.1:9/h"));
    assert_eq!(second.durable, "sea__from_case_mgmt");
    assert_eq!(second.handler_url, "http://127.0.0.1:7003/handle");
    assert_eq!((first.max_inflight, second.max_inflight), (3, 3));
}

#[test]
fn a_single_subscription_needs_no_table() {
    let text = "consume_stream = \"VIBESPRO_EVENTS\"\nhandler_url = \"http://127.0.0.1:1/h\"";
    let settings = with_file(text, &[("CONSUMER_GROUP", "g")]).unwrap();
    assert_eq!(settings.subscriptions[0].durable, "sea__g");
}

#[test]
fn refusals() {
    for (text, expected) in [
        ("max_in_flight = 3", &["max_in_flight in ", "did you mean max_inflight?"][..]),
        ("colour = 3", &["colour in ", "no such key"]),
        ("config_file = \"x\"", &["config_file in ", "no such key"]),
        ("CONTEXT = \"sea\"", &["CONTEXT in ", "did you mean context?"]),
        ("[nats]\nurl = 1", &["nats in ", "no such key"]),
        ("max_inflight = 0", &["max_inflight in ", "is \"0\"", "from 1 to"]),
        ("batch_size = { a = 1 }", &["batch_size in ", "a text, a number"]),
        ("subscription = 3", &["[[subscription]]"]),
        ("[[subscription]]\nmetrics_port = 1", &["metrics_port of subscription 1 in ", "no such key"]),
        (
            "[[subscription]]\nhandler_url = \"http://h/\"",
            &["CONSUME_STREAM", "required in every subscription"],
        ),
        ("consume_stream = \"A_EVENTS\"\n[[subscription]]", &["consume_stream in ", "move it into"]),
        ("a = 1\nnats_password = \"hunter2\nb = 2", &["CONFIG_FILE", "not TOML: line 2"]),
    ] {
        let error = with_file(text, &[("HANDLER_URL", "http://h/h")]).expect_err(text).to_string();
        for part in expected {
            assert!(error.contains(part), "{text}: {part} is not in {error}");
        }
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn two_subscriptions_may_not_share_a_durable() {
    let text = TWO.replace("CASE_MGMT_EVENTS", "VIBESPRO_EVENTS");
    let error = with_file(&text, &[]).unwrap_err().to_string();
    assert!(error.contains("subscription 2 (VIBESPRO_EVENTS) has the same durable"), "{error}");
}

#[test]
fn the_listing_is_a_file_that_says_the_same() {
    let listing = with_file(TWO, &[("LOG_FORMAT", "json"), ("JETSTREAM_DOMAIN", "b")]).unwrap().describe();
    assert_eq!(with_file(&listing, &[]).unwrap().describe(), listing);
}
