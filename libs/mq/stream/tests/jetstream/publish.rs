use async_nats::jetstream::stream;
use bytes::Bytes;
use sea_mq_stack::NatsOptions;
use sea_mq_stream::{OutageKind, Outgoing, PublishError};

use crate::support::{own_server, place, place_on, place_with, until};

fn outage(error: &PublishError) -> Option<OutageKind> {
    match error {
        PublishError::Outage { kind, detail: _ } => Some(*kind),
        PublishError::Refused { reason: _ } => None,
    }
}

#[tokio::test]
async fn stored_once_under_its_id() {
    let place = place().await;
    let first = place.broker.publish(&place.stream, place.outgoing("a", "1")).await.unwrap();
    assert_eq!((first.stream.as_str(), first.sequence, first.duplicate), (place.stream.as_str(), 1, false));
    let second = place.broker.publish(&place.stream, place.outgoing("a", "1")).await.unwrap();
    assert_eq!((second.sequence, second.duplicate), (1, true));
}

#[tokio::test]
async fn calls_go_out_in_order_however_the_futures_are_polled() {
    let place = place().await;
    // More than the client buffers, so that some hand-overs have to wait.
    let sent: Vec<_> = (1..=6000_u64)
        .map(|id| place.broker.publish(&place.stream, place.outgoing("a", &id.to_string())))
        .collect();
    let mut all: Vec<_> = sent.into_iter().enumerate().collect();
    all.reverse();
    let stored = futures::future::join_all(
        all.into_iter()
            .map(|(index, future)| async move { (index as u64 + 1, future.await.unwrap().sequence) }),
    );
    for (id, sequence) in stored.await {
        assert_eq!(id, sequence);
    }
}

#[tokio::test]
async fn a_large_message_is_refused_for_good() {
    let place = place_with(|config| stream::Config { max_message_size: 2000, ..config }).await;
    let mut message = place.outgoing("a", "1");
    message.payload = Bytes::from(vec![b'x'; 3000]);
    let error = place.broker.publish(&place.stream, message.clone()).await.unwrap_err();
    assert!(matches!(error, PublishError::Refused { .. }), "{error}");
    message.payload = Bytes::from(vec![b'x'; place.broker.max_payload() + 1]);
    let error = place.broker.publish(&place.stream, message.clone()).await.unwrap_err();
    assert!(matches!(error, PublishError::Refused { .. }), "{error}");
    message.payload = Bytes::new();
    message.headers = vec![("X-Long".to_owned(), "x".repeat(70_000))];
    let error = place.broker.publish(&place.stream, message).await.unwrap_err();
    assert!(matches!(error, PublishError::Refused { .. }), "{error}");
    assert!(place.broker.is_connected());
}

#[tokio::test]
async fn a_bad_header_or_subject_is_refused_and_nothing_breaks() {
    let place = place().await;
    let good = place.outgoing("a", "1");
    let bad = [
        Outgoing { headers: vec![("X-A".to_owned(), "a\r\nb".to_owned())], ..good.clone() },
        Outgoing { headers: vec![("X A".to_owned(), "b".to_owned())], ..good.clone() },
        Outgoing { message_id: "a\nb".to_owned(), ..good.clone() },
        Outgoing { subject: format!("{}.event.>", place.prefix), ..good.clone() },
        Outgoing { subject: String::new(), ..good.clone() },
    ];
    for message in bad {
        let error = place.broker.publish(&place.stream, message).await.unwrap_err();
        assert!(matches!(error, PublishError::Refused { .. }), "{error}");
    }
    place.broker.publish(&place.stream, good).await.unwrap();
}

#[tokio::test]
async fn a_full_stream_is_an_outage_that_ends() {
    let place = place_with(|config| stream::Config { max_messages: 1, ..config }).await;
    place.publish("a", 1..=1).await;
    let error = place.broker.publish(&place.stream, place.outgoing("a", "2")).await.unwrap_err();
    assert_eq!(outage(&error), Some(OutageKind::StreamFull), "{error}");
    place.js.get_stream(&place.stream).await.unwrap().purge().await.unwrap();
    place.publish("a", 2..=2).await;

    let place = place_with(|config| stream::Config { max_bytes: 1000, ..config }).await;
    let mut message = place.outgoing("a", "1");
    message.payload = Bytes::from(vec![b'x'; 950]);
    let error = place.broker.publish(&place.stream, message).await.unwrap_err();
    assert_eq!(outage(&error), Some(OutageKind::StreamFull), "{error}");
}

#[tokio::test]
async fn nobody_and_somebody_else_are_outages() {
    let place = place().await;
    let mut message = place.outgoing("a", "1");
    let error = place.broker.publish("ANOTHER", message.clone()).await.unwrap_err();
    assert_eq!(outage(&error), Some(OutageKind::WrongStream), "{error}");
    message.subject = format!("{}.nobody.listens", place.prefix);
    let error = place.broker.publish(&place.stream, message).await.unwrap_err();
    assert_eq!(outage(&error), Some(OutageKind::NoResponders), "{error}");
    assert_eq!(place.broker.stream_info(&place.stream).await.unwrap().messages(), 0);
}

#[tokio::test]
async fn a_lost_connection_ends_the_wait_and_the_same_id_is_stored_once() {
    let mut server = own_server(NatsOptions::nodes(1)).await;
    let place = place_on(&server, |config| config).await;
    place.publish("a", 1..=1).await;
    server.node(0).freeze().await.unwrap();
    let waiting = tokio::spawn(place.broker.publish(&place.stream, place.outgoing("a", "2")));
    server.node(0).kill().await;
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(outage(&error), Some(OutageKind::Disconnected), "{error}");
    let error = place.broker.publish(&place.stream, place.outgoing("a", "2")).await.unwrap_err();
    assert_eq!(outage(&error), Some(OutageKind::Disconnected), "{error}");
    server.restart().await.unwrap();
    until("the reconnect", || async { place.broker.is_connected() }).await;
    until("the second message", || async {
        place.broker.publish(&place.stream, place.outgoing("a", "2")).await.is_ok()
    })
    .await;
    assert_eq!(place.broker.stream_info(&place.stream).await.unwrap().messages(), 2);
}
