use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::stream;
use futures::StreamExt as _;
use sea_mq_stack::NatsOptions;
use sea_mq_stream::PullError;
use tokio::time::Instant;

use crate::support::{PATIENCE, bodies, numbers, own_server, place, place_on, pull_all, until};

const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn messages_come_in_order_and_acks_settle_them() {
    let place = place().await;
    place.create_durable(|_| {}).await;
    place.publish("a", 1..=120).await;
    let mut durable = place.durable().await;
    let all = pull_all(&mut durable, 120, 50).await;
    assert_eq!(bodies(&all), numbers(1..=120));
    let first = &all[0];
    assert_eq!((first.stream_seq, first.consumer_seq, first.delivered), (1, 1, 1));
    assert_eq!((first.message_id.as_deref(), first.subject.clone()), (Some("1"), place.subject("a")));
    assert!(first.headers.contains(&("X-Test".to_owned(), "yes".to_owned())));
    assert_eq!(all.last().unwrap().pending, 0);
    let tokens: Vec<_> = all.into_iter().map(|delivery| delivery.ack).collect();
    durable.ack(&tokens).await.unwrap();
    until("the acks", || async {
        let facts = place.broker.consumer_info(&place.stream, "d").await.unwrap();
        facts.num_ack_pending == 0 && facts.ack_floor.stream_seq == 120
    })
    .await;
}

#[tokio::test]
async fn a_group_never_exceeds_what_is_wanted() {
    let place = place().await;
    place.create_durable(|config| config.max_ack_pending = 1000).await;
    place.publish("a", 1..=100).await;
    let mut durable = place.durable().await;
    let mut all = Vec::new();
    while all.len() < 100 {
        let group = durable.next_group(7, 7, Duration::from_secs(5)).await.unwrap();
        assert!(!group.is_empty() && group.len() <= 7);
        assert!(durable.outstanding() <= 7);
        all.extend(group);
        // What the server has sent beyond what was handed out was asked for.
        let facts = place.broker.consumer_info(&place.stream, "d").await.unwrap();
        assert!(facts.delivered.consumer_seq as usize <= all.len() + durable.outstanding());
    }
    assert_eq!(bodies(&all), numbers(1..=100));
}

#[tokio::test]
async fn idle_is_an_empty_group_and_the_request_stays_open() {
    let place = place().await;
    place.create_durable(|_| {}).await;
    let mut durable = place.durable().await;
    let started = Instant::now();
    assert!(durable.next_group(10, 10, SHORT).await.unwrap().is_empty());
    assert!(started.elapsed() >= SHORT);
    assert_eq!(durable.outstanding(), 10);
    // Published while nobody listens: it comes through the open request.
    place.publish("a", 1..=3).await;
    until("the delivery", || async {
        place.broker.consumer_info(&place.stream, "d").await.unwrap().num_ack_pending == 3
    })
    .await;
    let group = durable.next_group(10, 10, Duration::ZERO).await.unwrap();
    assert_eq!(bodies(&group), numbers(1..=3));
    assert_eq!(durable.outstanding(), 7);
}

#[tokio::test]
async fn an_expired_request_is_asked_again_within_one_wait() {
    let place = place().await;
    place.create_durable(|_| {}).await;
    let mut durable = place.durable().await;
    let requests = format!("$JS.API.CONSUMER.MSG.NEXT.{}.d", place.stream);
    let mut requests = place.js.client().subscribe(requests).await.unwrap();
    place.js.client().flush().await.unwrap();
    let publish_late = async {
        // The second request says that the first has ended.
        for _request in 0..2 {
            let asked = tokio::time::timeout(PATIENCE, requests.next()).await;
            asked.expect("the server was not asked again").unwrap();
        }
        place.publish("a", 1..=1).await;
        Instant::now()
    };
    let (group, published) = tokio::join!(durable.next_group(10, 10, PATIENCE), publish_late);
    assert_eq!(bodies(&group.unwrap()), numbers(1..=1));
    assert!(published.elapsed() < Duration::from_secs(2));
    assert_eq!(durable.outstanding(), 9);
}

#[tokio::test]
async fn what_nobody_asked_for_again_is_forgotten() {
    let place = place().await;
    place.create_durable(|_| {}).await;
    let mut durable = place.durable().await;
    assert!(durable.next_group(10, 10, SHORT).await.unwrap().is_empty());
    until("the end of the request", || async {
        place.broker.consumer_info(&place.stream, "d").await.unwrap().num_waiting == 0
    })
    .await;
    place.publish("a", 1..=1).await;
    let group = durable.next_group(10, 10, Duration::from_secs(5)).await.unwrap();
    assert_eq!(bodies(&group), numbers(1..=1));
    assert_eq!(durable.outstanding(), 9);
}

#[tokio::test]
async fn what_is_not_acknowledged_comes_again() {
    let place = place().await;
    place.create_durable(|config| config.ack_wait = Duration::from_millis(500)).await;
    place.publish("a", 1..=2).await;
    let mut durable = place.durable().await;
    let first = pull_all(&mut durable, 2, 10).await;
    durable.ack(&[first[0].ack.clone()]).await.unwrap();
    let again = pull_all(&mut durable, 1, 10).await;
    assert_eq!(bodies(&again), ["2"]);
    assert_eq!((again[0].delivered, again[0].stream_seq, again[0].consumer_seq), (2, 2, 3));
}

#[tokio::test]
async fn odd_messages_are_delivered_as_they_are() {
    let place = place().await;
    place.create_durable(|_| {}).await;
    let client = place.js.client();
    client.publish(place.subject("bare"), "no headers".into()).await.unwrap();
    let mut headers = HeaderMap::new();
    headers.append("Nats-Msg-Id", "not a uuid");
    headers.append("X-Twice", "b");
    headers.append("X-Twice", "a");
    headers.append("X-Empty", "");
    client.publish_with_headers(place.subject("odd"), headers, vec![0xff, 0x00].into()).await.unwrap();
    client.publish(place.subject("empty"), "".into()).await.unwrap();
    let all = pull_all(&mut place.durable().await, 3, 10).await;
    assert_eq!((all[0].message_id.clone(), all[0].headers.len()), (None, 0));
    assert_eq!(all[1].message_id.as_deref(), Some("not a uuid"));
    let shown: Vec<String> = all[1].headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(shown, ["Nats-Msg-Id=not a uuid", "X-Empty=", "X-Twice=b", "X-Twice=a"]);
    assert_eq!((all[1].body.as_ref(), all[2].body.len()), (&[0xff_u8, 0x00][..], 0));
}

#[tokio::test]
async fn a_deleted_consumer_or_stream_is_said() {
    let place = place().await;
    place.create_durable(|_| {}).await;
    let mut durable = place.durable().await;
    assert!(durable.next_group(10, 10, SHORT).await.unwrap().is_empty());
    let stream = place.js.get_stream(&place.stream).await.unwrap();
    stream.delete_consumer("d").await.unwrap();
    for _ in 0..2 {
        // At first the open request is ended, then a new one finds nobody.
        let error = durable.next_group(10, 10, Duration::from_secs(10)).await.unwrap_err();
        assert!(matches!(error, PullError::ConsumerMissing { .. }), "{error}");
    }
    place.js.delete_stream(&place.stream).await.unwrap();
    let error = durable.next_group(10, 10, Duration::from_secs(10)).await.unwrap_err();
    assert!(matches!(error, PullError::StreamMissing { .. }), "{error}");
}

#[tokio::test]
async fn a_killed_server_loses_no_message() {
    let mut server = own_server(NatsOptions::nodes(1)).await;
    let place = place_on(&server, |config| config).await;
    place.create_durable(|config| config.ack_wait = Duration::from_secs(2)).await;
    let mut durable = place.durable().await;
    assert!(durable.next_group(10, 10, SHORT).await.unwrap().is_empty());
    server.node(0).kill().await;
    until("the loss", || async { !place.broker.is_connected() }).await;
    let error = durable.next_group(10, 10, SHORT).await.unwrap_err();
    assert!(matches!(error, PullError::Disconnected { .. }), "{error}");
    server.restart().await.unwrap();
    until("the reconnect", || async { place.broker.is_connected() }).await;
    place.publish("a", 1..=5).await;
    let all = pull_all(&mut durable, 5, 10).await;
    assert_eq!(bodies(&all), numbers(1..=5));
    assert!(durable.outstanding() <= 10);
}

#[tokio::test]
async fn a_frozen_server_is_noticed_and_nothing_is_lost() {
    let mut server = own_server(NatsOptions::nodes(1)).await;
    let place = place_on(&server, |config| config).await;
    place.create_durable(|config| config.ack_wait = Duration::from_secs(2)).await;
    let mut durable = place.durable().await;
    assert!(durable.next_group(10, 10, SHORT).await.unwrap().is_empty());
    server.node(0).freeze().await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    while place.broker.is_connected() {
        // Empty or an error, but never stuck.
        let _ = durable.next_group(10, 10, SHORT).await;
        assert!(Instant::now() < deadline, "the frozen server was not noticed");
    }
    server.node(0).thaw().await.unwrap();
    until("the reconnect", || async { place.broker.is_connected() }).await;
    place.publish("a", 1..=5).await;
    let mut all = Vec::new();
    while all.len() < 5 {
        all.extend(durable.next_group(10, 10, Duration::from_secs(1)).await.unwrap_or_default());
        assert!(Instant::now() < deadline, "{:?}", bodies(&all));
    }
    assert_eq!(bodies(&all), numbers(1..=5));
}

#[tokio::test]
async fn the_consumer_leaders_death_is_survived() {
    let mut server = own_server(NatsOptions::nodes(3)).await;
    let place = place_on(&server, |config| stream::Config { num_replicas: 3, ..config }).await;
    place.create_durable(|_| {}).await;
    place.publish("a", 1..=5).await;
    let mut durable = place.durable().await;
    let first = pull_all(&mut durable, 5, 10).await;
    durable.ack(&first.iter().map(|delivery| delivery.ack.clone()).collect::<Vec<_>>()).await.unwrap();
    let stream = place.js.get_stream(&place.stream).await.unwrap();
    let info = stream.consumer_info("d").await.unwrap();
    let leader = info.cluster.unwrap().leader.unwrap();
    let index = server.nodes().iter().position(|node| node.name() == leader).unwrap();
    server.node(index).kill().await;
    until("an ack after the election", || async {
        place.broker.publish(&place.stream, place.outgoing("a", "6")).await.is_ok()
    })
    .await;
    // Errors while the consumer has no leader are right; the message comes afterwards.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let group = durable.next_group(10, 10, Duration::from_secs(1)).await.unwrap_or_default();
        if bodies(&group).contains(&"6".to_owned()) {
            break;
        }
        assert!(Instant::now() < deadline, "the message did not come");
    }
}
