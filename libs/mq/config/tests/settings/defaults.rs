use std::time::Duration;

use sea_mq_config::{LogFormat, NatsAuth, OnDeadLetter, TopologyMode};

use crate::{consuming, load, with};

#[test]
fn a_publisher_needs_context_and_database_only() {
    let settings = with(&[]).unwrap();
    assert_eq!(settings.nats.servers, ["nats://127.0.0.1:4222"]);
    assert_eq!(settings.nats.auth, NatsAuth::Anonymous);
    assert_eq!(settings.nats.tls, None);
    assert_eq!(settings.nats.connect_timeout, Duration::from_secs(5));
    assert_eq!(settings.nats.reconnect_max, None);
    assert_eq!(settings.nats.reconnect_delay, Duration::from_millis(250));
    assert_eq!(settings.topology, TopologyMode::Verify);
    assert_eq!(settings.stream_replicas, 3);
    assert_eq!(settings.stream_max_bytes, 10_000_000_000);
    assert_eq!(settings.publisher.stream, "SEA_EVENTS");
    assert_eq!(settings.publisher.prefix, "sea.event.");
    assert_eq!((settings.dlq_prefix.as_str(), settings.dlq_stream.as_str()), ("sea.dlq.", "SEA_DLQ"));
    assert_eq!(settings.retention.outbox, Duration::from_secs(14 * 86_400));
    assert_eq!(settings.retention.inbox, Duration::from_secs(45 * 86_400));
    assert_eq!(settings.observe.metrics_host.to_string(), "127.0.0.1");
    assert_eq!(settings.observe.log_format, LogFormat::Human);
    assert_eq!(settings.shutdown_grace, Duration::from_secs(20));
    assert!(settings.subscriptions.is_empty());
    assert_eq!(settings.contracts_dir, None);
}

#[test]
fn a_subscription_has_the_documented_defaults() {
    let settings = consuming(&[]).unwrap();
    let [subscription] = settings.subscriptions.as_slice() else { panic!("one subscription") };
    assert_eq!(subscription.durable, "sea__from_vibespro");
    assert_eq!(
        (subscription.batch_size, subscription.max_inflight, subscription.max_ack_pending),
        (50, 25, 50)
    );
    assert_eq!((subscription.ack_wait, subscription.max_deliver), (Duration::from_secs(120), 20));
    assert_eq!((subscription.inbox_window, subscription.inbox_waiting_max), (1_000, 100_000));
    assert_eq!(subscription.handler_timeout, Duration::from_secs(30));
    assert_eq!(subscription.retry.base, Duration::from_secs(1));
    assert_eq!(subscription.retry.cap, Duration::from_secs(900));
    assert_eq!(subscription.on_dead_letter, OnDeadLetter::Continue);
}

#[test]
fn each_context_has_its_metrics_port() {
    for (context, port) in [("sea", 9101), ("vibespro", 9102), ("case_mgmt", 9100)] {
        let settings = load(&[("CONTEXT", context), ("DB_URL", "postgres://w@h/d")]).unwrap();
        assert_eq!(settings.observe.metrics_port, port, "{context}");
    }
}

#[test]
fn durable_names() {
    for (more, durable) in [
        (&[("CONSUMER_GROUP", "analytics")][..], "sea__analytics"),
        (&[("DURABLE_NAME", "d"), ("CONSUMER_GROUP", "g")], "d"),
        (&[("CONSUMER_DURABLE", "c"), ("DURABLE_NAME", "d")], "c"),
        (&[("CONSUME_STREAM", "B_MIRROR")], "sea__from_vibespro"),
        (&[("CONSUME_STREAM", "OTHER_EVENTS"), ("CONSUME_SUBJECT", "other.event.x.v1")], "sea__from_other"),
    ] {
        assert_eq!(consuming(more).unwrap().subscriptions[0].durable, durable, "{more:?}");
    }
}

#[test]
fn stream_and_subject_follow_from_each_other() {
    for key in [("CONSUME_STREAM", "VIBESPRO_EVENTS"), ("CONSUME_SUBJECT", "vibespro.event.>")] {
        let settings = with(&[key, ("HANDLER_URL", "http://127.0.0.1:7001/handle")]).unwrap();
        let subscription = &settings.subscriptions[0];
        assert_eq!(subscription.stream, "VIBESPRO_EVENTS", "{key:?}");
        assert_eq!(subscription.subject, "vibespro.event.>", "{key:?}");
    }
}

#[test]
fn servers_are_listed_and_take_precedence_over_the_url() {
    let more = [("NATS_SERVERS", "nats://a:4222, tls://b:4223,"), ("NATS_URL", "nats://c:4222")];
    assert_eq!(with(&more).unwrap().nats.servers, ["nats://a:4222", "tls://b:4223"]);
    assert_eq!(with(&more[1..]).unwrap().nats.servers, ["nats://c:4222"]);
}

#[test]
fn variables_that_platforms_inject_do_not_disturb() {
    let injected = [
        ("NATS_PORT", "tcp://10.0.0.1:4222"),
        ("NATS_SERVICE_HOST", "10.0.0.1"),
        ("NATS_PORT_4222_TCP_ADDR", "10.0.0.1"),
        ("PATH", "/bin"),
        ("context", "not_this_one"),
    ];
    assert_eq!(with(&injected).unwrap().nats.servers, ["nats://127.0.0.1:4222"]);
}

#[test]
fn a_blank_variable_counts_as_not_set() {
    let settings = with(&[("NATS_USER", ""), ("NATS_URL", " "), ("CONFIG_FILE", "")]).unwrap();
    assert_eq!(settings.nats.auth, NatsAuth::Anonymous);
}
