use crate::{consuming, load};

/// Variables, and what the message must name.
type Case = (&'static [(&'static str, &'static str)], &'static [&'static str]);

const CASES: &[Case] = &[
    (&[("CONTEXT", "Sea")], &["CONTEXT is \"Sea\"", "lower snake"]),
    (&[("DB_URL", "mysql://h/d")], &["DB_URL", "postgres://"]),
    (&[("NATS_URL", "http://h:4222")], &["NATS_URL is \"http://h:4222\"", "nats://", "tls://"]),
    (&[("NATS_SERVERS", "nats://a:1,b:2")], &["NATS_SERVERS is \"b:2\""]),
    (&[("NATS_SERVERS", ",")], &["NATS_SERVERS", "no server"]),
    (&[("NATS_USER", "u")], &["NATS_USER", "NATS_PASSWORD"]),
    (&[("NATS_PASSWORD", "p")], &["NATS_PASSWORD", "NATS_USER"]),
    (
        &[("NATS_USER", "u"), ("NATS_PASSWORD", "p"), ("NATS_AUTH_TOKEN", "t")],
        &["only one way", "NATS_USER", "NATS_AUTH_TOKEN"],
    ),
    (&[("NATS_TLS_CERT", "/nowhere.pem")], &["NATS_TLS_CERT is \"/nowhere.pem\"", "NATS_TLS_KEY"]),
    (&[("JETSTREAM_DOMAIN", "a.b")], &["JETSTREAM_DOMAIN is \"a.b\""]),
    (&[("TOPOLOGY", "Ensure")], &["TOPOLOGY is \"Ensure\"", "ensure or verify"]),
    (&[("STREAM_REPLICAS", "2")], &["STREAM_REPLICAS is \"2\"", "1, 3 or 5"]),
    (&[("PUBLISH_STREAM", "a.b")], &["PUBLISH_STREAM is \"a.b\""]),
    (&[("PUBLISH_PREFIX", "sea.event")], &["PUBLISH_PREFIX is \"sea.event\"", "end with `.`"]),
    (&[("PUBLISH_PREFIX", "vibespro.event.")], &["PUBLISH_PREFIX", "begin with sea."]),
    (&[("DLQ_PREFIX", "sea.event.dlq.")], &["DLQ_PREFIX", "overlaps PUBLISH_PREFIX"]),
    (&[("DLQ_STREAM", "SEA_EVENTS")], &["DLQ_STREAM", "PUBLISH_STREAM"]),
    (&[("CONSUME_SUBJECT", "*.event.>")], &["CONSUME_SUBJECT is \"*.event.>\""]),
    (&[("CONSUMER_DURABLE", "a.b")], &["CONSUMER_DURABLE is \"a.b\""]),
    (&[("DURABLE_NAME", "sea__gap")], &["DURABLE_NAME", "__gap"]),
    (&[("HANDLER_URL", "")], &["HANDLER_URL", "required when consuming"]),
    (&[("HANDLER_URL", "https://h/handle")], &["HANDLER_URL is \"https://h/handle\"", "http://"]),
    (&[("HANDLER_URL", "127.0.0.1:7001")], &["HANDLER_URL", "http://"]),
    (&[("HANDLER_URL", "in_process")], &["HANDLER_URL", "in-process"]),
    (&[("HANDLER_SECRET", "hunter2")], &["HANDLER_SECRET", "whsec_", "not shown"]),
    (&[("HANDLER_SECRET", "whsec_c2hvcnQ=")], &["HANDLER_SECRET", "24 to 64"]),
    (&[("MAX_INFLIGHT", "0")], &["MAX_INFLIGHT is \"0\"", "from 1 to"]),
    (&[("BATCH_SIZE", "many")], &["BATCH_SIZE is \"many\"", "from 1 to"]),
    (&[("MAX_DELIVER", "-1")], &["MAX_DELIVER is \"-1\""]),
    (&[("HANDLER_TIMEOUT_SECS", "1.5")], &["HANDLER_TIMEOUT_SECS is \"1.5\""]),
    (&[("ACK_WAIT_SECS", "99999999999999999999999")], &["ACK_WAIT_SECS"]),
    (&[("RETRY_BASE_MS", "5000"), ("RETRY_CAP_SECS", "4")], &["RETRY_BASE_MS is \"5000\"", "RETRY_CAP_SECS"]),
    (&[("INBOX_WINDOW", "10"), ("INBOX_WAITING_MAX", "9")], &["INBOX_WAITING_MAX is \"9\"", "INBOX_WINDOW"]),
    (&[("ON_DEAD_LETTER", "stop")], &["ON_DEAD_LETTER is \"stop\"", "continue or hold"]),
    (&[("METRICS_HOST", "localhost")], &["METRICS_HOST is \"localhost\"", "127.0.0.1"]),
    (&[("METRICS_PORT", "65536")], &["METRICS_PORT is \"65536\""]),
    (&[("METRICS_PORT", "tcp://10.0.0.1:9101")], &["METRICS_PORT", "enableServiceLinks"]),
    (&[("LOG_FORMAT", "xml")], &["LOG_FORMAT is \"xml\"", "human or json"]),
    (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "h:4317")], &["OTEL_EXPORTER_OTLP_ENDPOINT"]),
    (&[("OUTBOX_RETENTION_DAYS", "7")], &["OUTBOX_RETENTION_DAYS is \"7\"", "at least 8"]),
    (&[("OUTBOX_RETENTION_DAYS", "45")], &["INBOX_RETENTION_DAYS is \"45\"", "OUTBOX_RETENTION_DAYS"]),
    (&[("INBOX_RETENTION_DAYS", "30")], &["INBOX_RETENTION_DAYS is \"30\"", "dead letter"]),
    (&[("SHUTDOWN_GRACE_SECS", "soon")], &["SHUTDOWN_GRACE_SECS is \"soon\""]),
    (&[("CONFIG_FILE", "/nowhere.toml")], &["CONFIG_FILE is \"/nowhere.toml\"", "cannot be read"]),
];

#[test]
fn table() {
    for (vars, expected) in CASES {
        let error = consuming(vars).expect_err(&format!("{vars:?}")).to_string();
        for part in *expected {
            assert!(error.contains(part), "{vars:?}: {part} is not in {error}");
        }
    }
}

#[test]
fn nothing_else_is_complained_about() {
    for (vars, _) in CASES {
        let problems = consuming(vars).unwrap_err().problems().to_vec();
        assert!(problems.len() <= 2, "{vars:?}: {problems:?}");
    }
}

#[test]
fn all_problems_are_listed_at_once() {
    let error = load(&[("MAX_INFLIGHT", "0"), ("METRICS_PORT", "x"), ("CONSUME_STREAM", "VIBESPRO_EVENTS")])
        .unwrap_err();
    let settings: Vec<&str> = error.problems().iter().map(|p| p.setting.as_str()).collect();
    assert_eq!(settings, ["CONTEXT", "DB_URL", "HANDLER_URL", "MAX_INFLIGHT", "METRICS_PORT"]);
    assert!(error.to_string().starts_with("5 problems in the configuration:\n  - CONTEXT: is required"));
}
