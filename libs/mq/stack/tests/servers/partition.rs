//! NATS nodes that are cut off from each other, or lose their disk.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sea_mq_stack::{Direction, LinkState, NatsCluster, NatsOptions, Routes, StateDir, shared_nats};

use super::nats::{create_stream, jetstream, jetstream_of, messages, publish, start};
use super::peer::within;

/// How often the nodes are asked.
const LOOK: Duration = Duration::from_millis(20);

/// Nodes that notice within seconds that a route is dead, not after a minute.
fn linked() -> NatsOptions {
    NatsOptions {
        routes: Routes::Linked,
        sync_interval: "2m".into(),
        further: "ping_interval: \"1s\"\nping_max: 2".into(),
        ..NatsOptions::nodes(3)
    }
}

fn names(nodes: &[usize]) -> BTreeSet<String> {
    nodes.iter().map(|node| format!("nats-{}", node + 1)).collect()
}

/// Waits until the node says that it has routes to exactly these.
async fn routed(cluster: &NatsCluster, node: usize, others: &[usize]) {
    let expected = names(others);
    let waiting = async {
        while cluster.nodes()[node].routed_to().await.as_ref() != Some(&expected) {
            tokio::time::sleep(LOOK).await;
        }
    };
    within(&format!("routes of {node} to {expected:?}"), waiting).await;
}

pub async fn stream_leader(cluster: &NatsCluster) -> usize {
    let waiting = async {
        loop {
            if let Some(leader) = cluster.stream_leader("KEPT").await {
                return leader;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    within("a leader of the stream", waiting).await
}

#[tokio::test]
async fn nodes_that_are_cut_off_find_no_way_around_and_come_back() {
    let state = StateDir::temporary().unwrap();
    let cluster = start(&state, linked()).await;
    for node in 0..3 {
        routed(&cluster, node, &[(node + 1) % 3, (node + 2) % 3]).await;
    }
    let context = jetstream(&cluster).await;
    create_stream(&context, 3).await;
    publish(&context, "before").await;
    let client = async_nats::connect(cluster.nodes()[0].client_url()).await.unwrap();
    assert!(client.server_info().connect_urls.is_empty(), "{:?}", client.server_info().connect_urls);

    cluster.cut(0, 1).unwrap();
    routed(&cluster, 0, &[2]).await;
    routed(&cluster, 1, &[2]).await;
    cluster.heal();
    routed(&cluster, 0, &[1, 2]).await;

    let alone = stream_leader(&cluster).await;
    let (second, third) = ((alone + 1) % 3, (alone + 2) % 3);
    cluster.isolate(alone).unwrap();
    let majority = jetstream_of(&cluster.nodes()[second]).await;
    publish(&majority, "without the leader").await;
    routed(&cluster, alone, &[]).await;
    routed(&cluster, second, &[third]).await;
    assert_ne!(stream_leader(&cluster).await, alone);
    publish(&majority, "still without").await;

    cluster.heal();
    routed(&cluster, alone, &[second, third]).await;
    cluster.wait_ready().await.unwrap();
    let returned = jetstream_of(&cluster.nodes()[alone]).await;
    publish(&returned, "together").await;
    messages(&returned, 4).await;
}

#[tokio::test]
async fn slow_routes_delay_what_needs_a_majority_and_lossy_ones_lose_nothing() {
    const DELAY: Duration = Duration::from_millis(150);
    let slow = LinkState::Slow { delay: DELAY, jitter: Duration::ZERO, bytes_per_sec: None };
    let lossy = LinkState::Lossy {
        stall_chance: 0.05,
        stall_min: Duration::from_millis(50),
        stall_max: Duration::from_millis(200),
        reset_chance: 0.01,
    };
    let state = StateDir::temporary().unwrap();
    let cluster = start(&state, NatsOptions { further: String::new(), ..linked() }).await;
    let context = jetstream(&cluster).await;
    create_stream(&context, 3).await;
    publish(&context, "at once").await;

    cluster.set_routes(0, 1, slow).unwrap();
    let route = |one, other| cluster.route_links(one, other).unwrap().map(|it| it.state(Direction::Forward));
    assert_eq!((route(1, 0), route(0, 2)), ([slow; 2], [LinkState::Clear; 2]));

    cluster.set_all_routes(slow).unwrap();
    let leader = stream_leader(&cluster).await;
    let led = jetstream_of(&cluster.nodes()[leader]).await;
    let began = Instant::now();
    publish(&led, "there and back").await;
    assert!(began.elapsed() >= 2 * DELAY, "{:?}", began.elapsed());

    cluster.set_all_routes(lossy).unwrap();
    for number in 0..50 {
        publish(&context, &format!("late {number}")).await;
    }
    cluster.heal();
    assert_eq!(route(0, 1), [LinkState::Clear; 2]);
    for node in 0..3 {
        holds(&cluster, node, 52).await;
    }
}

#[tokio::test]
async fn a_wiped_node_gets_everything_again_from_the_others() {
    let state = StateDir::temporary().unwrap();
    let mut cluster =
        start(&state, NatsOptions { sync_interval: "2m".into(), ..NatsOptions::nodes(3) }).await;
    let context = jetstream(&cluster).await;
    create_stream(&context, 3).await;
    publish(&context, "before").await;

    let wiped = stream_leader(&cluster).await;
    cluster.node(wiped).wipe().await.unwrap();
    publish(&context, "meanwhile").await;
    cluster.wait_ready().await.unwrap();
    holds(&cluster, wiped, 2).await;

    // With another one gone the majority includes it.
    cluster.node((wiped + 1) % 3).kill().await;
    let context = jetstream_of(&cluster.nodes()[wiped]).await;
    publish(&context, "after").await;
    messages(&context, 3).await;
}

/// Waits until the node's own copy of the stream has so many messages.
pub async fn holds(cluster: &NatsCluster, node: usize, count: u64) {
    let waiting = async {
        while cluster.nodes()[node].stream_messages("KEPT").await != Some(count) {
            tokio::time::sleep(LOOK).await;
        }
    };
    within("the node's own copy", waiting).await;
}

#[tokio::test]
async fn a_single_node_leads_its_streams_and_has_no_links() {
    let cluster = shared_nats().await.unwrap();
    let context = jetstream(cluster).await;
    let stream = async_nats::jetstream::stream::Config {
        name: "LED".into(),
        subjects: vec!["led.>".into()],
        ..async_nats::jetstream::stream::Config::default()
    };
    context.create_stream(stream).await.unwrap();
    assert_eq!(cluster.stream_leader("LED").await, Some(0));
    assert_eq!(cluster.stream_leader("NONE").await, None);
    assert_eq!(cluster.nodes()[0].routed_to().await, Some(BTreeSet::new()));

    cluster.heal();
    let error = cluster.isolate(0).unwrap_err().to_string();
    assert!(error.contains("linked routes"), "{error}");
    let error = cluster.cut(0, 3).unwrap_err().to_string();
    assert!(error.contains("no node 3"), "{error}");
}
