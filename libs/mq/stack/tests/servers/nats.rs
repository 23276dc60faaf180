//! NATS: one node and three, killed, frozen and restarted.

use std::time::Duration;

use async_nats::jetstream::{self, stream};
use sea_mq_stack::{
    Binaries, NatsCluster, NatsNode, NatsOptions, NatsUsers, StackError, StateDir, shared_nats,
};

pub async fn start(state: &StateDir, options: NatsOptions) -> NatsCluster {
    NatsCluster::start(&Binaries::find().unwrap(), state, options).await.unwrap()
}

pub async fn jetstream(cluster: &NatsCluster) -> jetstream::Context {
    let client = async_nats::connect(cluster.client_urls()).await.unwrap();
    jetstream::new(client)
}

/// Over this node alone: a client of a frozen one would not notice for minutes.
pub async fn jetstream_of(node: &NatsNode) -> jetstream::Context {
    jetstream::new(async_nats::connect(node.client_url()).await.unwrap())
}

pub async fn create_stream(context: &jetstream::Context, replicas: usize) {
    context
        .create_stream(stream::Config {
            name: "KEPT".into(),
            subjects: vec!["kept.>".into()],
            num_replicas: replicas,
            ..stream::Config::default()
        })
        .await
        .unwrap();
}

/// Publishes the same message until it is acknowledged: an election takes a while.
pub async fn publish(context: &jetstream::Context, id: &str) {
    publish_body(context, id, id.to_owned().into()).await;
}

pub async fn publish_body(context: &jetstream::Context, id: &str, body: Vec<u8>) {
    let attempts = async {
        loop {
            let message =
                jetstream::message::PublishMessage::build().payload(body.clone().into()).message_id(id);
            let sent = context.send_publish("kept.one", message).await.unwrap();
            if sent.await.is_ok() {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), attempts).await.unwrap();
}

/// Waits until the stream says that it holds so many messages. A node that led
/// it before it was cut off may answer from its own copy for a moment.
pub async fn messages(context: &jetstream::Context, count: u64) {
    let mut last = None;
    let attempts = async {
        while last != Some(count) {
            if let Ok(stream) = context.get_stream("KEPT").await {
                last = Some(stream.cached_info().state.messages);
            }
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), attempts).await;
    waited.unwrap_or_else(|_| panic!("the stream holds {last:?} messages, not {count}"));
}

#[tokio::test]
async fn a_single_node_keeps_its_streams_through_kill_and_stop() {
    let state = StateDir::temporary().unwrap();
    let mut cluster = start(&state, NatsOptions::nodes(1)).await;
    let urls = cluster.client_urls();
    let context = jetstream(&cluster).await;
    create_stream(&context, 1).await;
    publish(&context, "a").await;

    cluster.node(0).kill().await;
    cluster.node(0).restart().await.unwrap();
    assert_eq!(cluster.client_urls(), urls);
    messages(&context, 1).await;

    cluster.node(0).stop().await.unwrap();
    assert!(!cluster.nodes()[0].process().is_running());
    cluster.restart().await.unwrap();
    publish(&context, "b").await;
    messages(&context, 2).await;
}

#[tokio::test]
async fn three_nodes_lose_nothing_when_the_leader_is_killed_and_one_is_frozen() {
    let state = StateDir::temporary().unwrap();
    let mut cluster = start(&state, NatsOptions::nodes(3)).await;
    let context = jetstream(&cluster).await;
    create_stream(&context, 3).await;
    publish(&context, "before").await;

    let leader = cluster.meta_leader().await.unwrap();
    cluster.node(leader).kill().await;
    publish(&context, "one is gone").await;
    cluster.node(leader).restart().await.unwrap();
    cluster.wait_ready().await.unwrap();

    let other = (leader + 1) % 3;
    let third = jetstream_of(&cluster.nodes()[(leader + 2) % 3]).await;
    cluster.node(other).freeze().await.unwrap();
    publish(&third, "one is frozen").await;
    cluster.node(other).thaw().await.unwrap();
    cluster.wait_ready().await.unwrap();

    cluster.kill().await;
    cluster.restart().await.unwrap();
    let context = jetstream(&cluster).await;
    messages(&context, 3).await;
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn users_with_passwords_from_the_environment_are_enforced() {
    let state = StateDir::temporary().unwrap();
    let text = "authorization { users: [ { user: sea, password: $SEA_PASSWORD } ] }";
    let options = NatsOptions {
        users: NatsUsers::Text(text.into()),
        environment: vec![("SEA_PASSWORD".into(), "\"secret\"".into())],
        ..NatsOptions::nodes(1)
    };
    let cluster = start(&state, options).await;
    assert!(async_nats::connect(cluster.client_urls()).await.is_err());
    async_nats::ConnectOptions::with_user_and_password("sea".into(), "secret".into())
        .connect(cluster.client_urls())
        .await
        .unwrap();
}

#[tokio::test]
async fn the_shared_node_is_one_and_the_same() {
    let first = shared_nats().await.unwrap().client_urls();
    assert_eq!(first, shared_nats().await.unwrap().client_urls());
    async_nats::connect(first).await.unwrap();
}

#[tokio::test]
async fn a_bad_configuration_shows_the_servers_own_words() {
    let state = StateDir::temporary().unwrap();
    let options = NatsOptions { sync_interval: "sometimes".into(), ..NatsOptions::nodes(1) };
    let error = NatsCluster::start(&Binaries::find().unwrap(), &state, options).await.unwrap_err();
    assert!(matches!(error, StackError::Ended { .. }), "{error}");
    assert!(error.to_string().contains("sync_interval"), "{error}");
}

#[tokio::test]
async fn two_nodes_are_refused() {
    let state = StateDir::temporary().unwrap();
    let error =
        NatsCluster::start(&Binaries::find().unwrap(), &state, NatsOptions::nodes(2)).await.unwrap_err();
    assert!(error.to_string().contains("1 or 3"), "{error}");
}

#[tokio::test]
async fn a_missing_server_is_named() {
    let state = StateDir::temporary().unwrap();
    let binaries = Binaries { nats_server: "/nowhere/nats-server".into(), ..Binaries::find().unwrap() };
    let error = NatsCluster::start(&binaries, &state, NatsOptions::nodes(1)).await.unwrap_err().to_string();
    assert!(error.contains("/nowhere/nats-server"), "{error}");
    assert!(error.contains("No such file"), "{error}");
}
