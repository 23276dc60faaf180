use std::time::Duration;

use async_nats::jetstream::{self, stream};
use sea_mq_event::ContextName;
use sea_mq_stack::{NatsOptions, shared_nats};
use sea_mq_stream::{
    Broker, ContextTopology, Object, Step, StreamError, SubscriptionTopology, Topology, apply, plan, verify,
};

use crate::support::{own_server, settings, unique};

fn context(name: &str) -> ContextTopology {
    let mut context = ContextTopology::new(ContextName::parse(name).unwrap(), 1);
    context.max_bytes = 1_000_000;
    context
}

/// A context that consumes its own events: all of it can exist at once.
fn selfish() -> ContextTopology {
    let mut context = context(&unique());
    let durable = format!("{}__from_itself", context.context);
    let filter = format!("{}>", context.publish_prefix);
    context.subscriptions.push(SubscriptionTopology::new(&context.publish_stream, &filter, &durable));
    context
}

async fn broker() -> Broker {
    Broker::connect(&settings(shared_nats().await.unwrap())).await.unwrap()
}

async fn js() -> jetstream::Context {
    let client = async_nats::connect(shared_nats().await.unwrap().client_urls()).await.unwrap();
    jetstream::new(client)
}

fn fields(step: &Step) -> Vec<String> {
    match step {
        Step::Update { changes, object: _ } => changes.iter().map(ToString::to_string).collect(),
        Step::Refuse { field, .. } => vec![format!("refused {field}")],
        Step::InSync { .. } | Step::Create { .. } | Step::Blocked { .. } => Vec::new(),
    }
}

#[tokio::test]
async fn creates_all_then_nothing() {
    let broker = broker().await;
    let context = selfish();
    let topology = Topology::for_context(&context);
    let before = verify(&broker, &topology).await.unwrap();
    assert_eq!((before.absent.len(), before.drift.len()), (3, 0));
    let done = apply(&broker, &topology).await.unwrap();
    assert!(done.steps.iter().all(|step| matches!(step, Step::Create { .. })), "{done}");
    assert!(plan(&broker, &topology).await.unwrap().is_in_sync());
    assert!(apply(&broker, &topology).await.unwrap().is_in_sync());
    assert!(verify(&broker, &topology).await.unwrap().is_in_sync());
    let facts = broker.stream_info(&context.publish_stream).await.unwrap();
    assert_eq!(facts.max_bytes(), Some(1_000_000));
    assert_eq!(facts.max_age(), Some(Duration::from_secs(7 * 86_400)));
    assert_eq!(facts.duplicate_window(), Duration::from_secs(120));
    assert_eq!(
        (facts.config["discard"].as_str(), facts.config["storage"].as_str()),
        (Some("new"), Some("file"))
    );
    let letters = broker.stream_info(&context.dlq_stream).await.unwrap();
    assert_eq!(letters.max_age(), Some(Duration::from_secs(30 * 86_400)));
    let durable = &context.subscriptions[0].durable;
    let facts = broker.consumer_info(&context.publish_stream, durable).await.unwrap();
    assert_eq!(
        (facts.config["max_deliver"].as_u64(), facts.config["max_ack_pending"].as_u64()),
        (Some(20), Some(50))
    );
    assert_eq!(facts.config["metadata"]["sea-mq.context"].as_str(), Some(context.context.as_str()));
}

#[tokio::test]
async fn drift_is_named_field_by_field_and_mended_in_place() {
    let broker = broker().await;
    let mut context = selfish();
    apply(&broker, &Topology::for_context(&context)).await.unwrap();
    context.max_bytes = 2_000_000;
    context.duplicate_window = Duration::from_secs(60);
    context.subscriptions[0].ack_wait = Duration::from_secs(30);
    context.subscriptions[0].max_ack_pending = 1000;
    context.subscriptions[0].filter = format!("{}vibe_created.v1", context.publish_prefix);
    let topology = Topology::for_context(&context);
    let plan = plan(&broker, &topology).await.unwrap();
    assert_eq!(
        fields(&plan.steps[0]),
        ["max_bytes: 1000000 → 2000000", "duplicate_window: 2min → 1min"],
        "{plan}"
    );
    let durable = fields(&plan.steps[2]);
    assert!(durable[0].starts_with("filter_subject: ") && durable[0].contains("sea-mq replay"), "{plan}");
    assert_eq!(durable[1..], ["ack_wait: 2min → 30s", "max_ack_pending: 50 → 1000"], "{plan}");
    let drift = verify(&broker, &topology).await.unwrap().drift;
    // Both streams and the durable.
    assert_eq!(drift.len(), 2 + 2 + 3, "{drift:?}");
    assert!(drift[0].to_string().contains("max_bytes is 1000000, declared is 2000000"), "{}", drift[0]);
    apply(&broker, &topology).await.unwrap();
    assert!(verify(&broker, &topology).await.unwrap().is_in_sync());
}

#[tokio::test]
async fn what_cannot_be_changed_is_refused_and_nothing_is_touched() {
    let (broker, js) = (broker().await, js().await);
    let context = selfish();
    js.create_stream(stream::Config {
        name: context.publish_stream.clone(),
        subjects: vec![format!("{}>", context.publish_prefix)],
        storage: stream::StorageType::Memory,
        ..stream::Config::default()
    })
    .await
    .unwrap();
    let topology = Topology::for_context(&context);
    let error = apply(&broker, &topology).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, StreamError::TopologyRefused { count: 1, .. }), "{text}");
    for part in [context.publish_stream.as_str(), "storage", "memory", "nats stream rm"] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
    let letters = broker.stream_info(&context.dlq_stream).await.unwrap_err();
    assert!(matches!(letters, StreamError::StreamMissing { .. }), "{letters}");
}

#[tokio::test]
async fn a_limit_that_would_delete_events_is_refused() {
    let broker = broker().await;
    let mut context = selfish();
    apply(&broker, &Topology::for_context(&context)).await.unwrap();
    let subject = format!("{}a.v1", context.publish_prefix);
    js().await.publish(subject, vec![b'x'; 5000].into()).await.unwrap().await.unwrap();
    context.max_bytes = 3000;
    context.max_age = Duration::from_millis(1);
    context.duplicate_window = Duration::from_millis(1);
    let plan = plan(&broker, &Topology::for_context(&context)).await.unwrap();
    let refused: Vec<String> = plan.refusals().flat_map(fields).collect();
    assert_eq!(refused, ["refused max_age", "refused max_bytes"], "{plan}");
    assert_eq!(broker.stream_info(&context.publish_stream).await.unwrap().messages(), 1);
}

#[tokio::test]
async fn overlapping_subjects_name_the_other_stream() {
    let (broker, js) = (broker().await, js().await);
    let context = selfish();
    let other = unique().to_ascii_uppercase();
    let config = stream::Config {
        name: other.clone(),
        subjects: vec![format!("{}.*.>", context.context)],
        ..stream::Config::default()
    };
    js.create_stream(config).await.unwrap();
    let text = apply(&broker, &Topology::for_context(&context)).await.unwrap_err().to_string();
    assert!(text.contains(&format!("stream {other} stores")), "{text}");
}

#[tokio::test]
async fn another_contexts_durable_is_refused_by_name() {
    let broker = broker().await;
    let (first, mut second) = (selfish(), context(&unique()));
    apply(&broker, &Topology::for_context(&first)).await.unwrap();
    second.subscriptions.clone_from(&first.subscriptions);
    let topology = Topology::for_context(&second);
    let text = apply(&broker, &topology).await.unwrap_err().to_string();
    let owner = format!("belongs to the context {}", first.context);
    assert!(text.contains(&owner) && text.contains(&first.subscriptions[0].durable), "{text}");
    let drift = verify(&broker, &topology).await.unwrap().drift;
    assert!(drift.iter().any(|drift| drift.remedy.contains(&owner)), "{drift:?}");
}

#[tokio::test]
async fn a_durable_waits_for_its_stream() {
    let broker = broker().await;
    let (producer, mut consumer) = (context(&unique()), context(&unique()));
    consumer.subscriptions.push(SubscriptionTopology::new(
        &producer.publish_stream,
        &format!("{}>", producer.publish_prefix),
        "later",
    ));
    let topology = Topology::for_context(&consumer);
    let done = apply(&broker, &topology).await.unwrap();
    assert_eq!(done.blocked().count(), 1, "{done}");
    assert_eq!(done.steps.iter().filter(|step| matches!(step, Step::Create { .. })).count(), 2);
    let durable = Object::Durable { stream: producer.publish_stream.clone(), name: "later".to_owned() };
    assert_eq!(verify(&broker, &topology).await.unwrap().absent, [durable]);
    apply(&broker, &Topology::for_context(&producer)).await.unwrap();
    assert_eq!(apply(&broker, &topology).await.unwrap().blocked().count(), 0);
    assert!(verify(&broker, &topology).await.unwrap().is_in_sync());
}

#[tokio::test]
async fn what_was_made_by_hand_is_adopted() {
    let (broker, js) = (broker().await, js().await);
    let context = context(&unique());
    js.create_stream(stream::Config {
        name: context.publish_stream.clone(),
        subjects: vec![format!("{}>", context.publish_prefix)],
        allow_direct: true,
        description: Some("made by hand".to_owned()),
        ..stream::Config::default()
    })
    .await
    .unwrap();
    let topology = Topology::for_context(&context);
    apply(&broker, &topology).await.unwrap();
    assert!(verify(&broker, &topology).await.unwrap().is_in_sync());
    let facts = broker.stream_info(&context.publish_stream).await.unwrap();
    assert_eq!(facts.config["description"].as_str(), Some("made by hand"));
    assert_eq!(facts.config["allow_direct"].as_bool(), Some(true));
}

#[tokio::test]
async fn storage_and_replicas_that_are_not_there_are_said() {
    let broker = broker().await;
    let mut three = context(&unique());
    three.replicas = 3;
    let text = apply(&broker, &Topology::for_context(&three)).await.unwrap_err().to_string();
    assert!(text.contains("STREAM_REPLICAS=1"), "{text}");

    let small = NatsOptions { max_file_store: "1MB".to_owned(), ..NatsOptions::nodes(1) };
    let server = own_server(small).await;
    let broker = Broker::connect(&settings(&server)).await.unwrap();
    let mut large = context(&unique());
    large.max_bytes = 10_000_000;
    let error = apply(&broker, &Topology::for_context(&large)).await.unwrap_err();
    assert!(error.to_string().contains("max_file_store"), "{error}");
}

#[tokio::test]
async fn three_nodes_hold_three_replicas() {
    let server = own_server(NatsOptions::nodes(3)).await;
    let broker = Broker::connect(&settings(&server)).await.unwrap();
    let mut context = selfish();
    context.replicas = 3;
    let topology = Topology::for_context(&context);
    apply(&broker, &topology).await.unwrap();
    assert!(verify(&broker, &topology).await.unwrap().is_in_sync());
    assert_eq!(broker.stream_info(&context.publish_stream).await.unwrap().replicas(), 3);
}
