use std::time::Duration;

use sea_mq_stack::{NatsOptions, NatsUsers, free_port, shared_nats};
use sea_mq_stream::{Auth, Broker, ConnectSettings, Link, StreamError};

use crate::support::{own_server, place_on, settings, until};

#[tokio::test]
async fn an_unreachable_server_is_named() {
    let address = format!("nats://sea:hunter2@127.0.0.1:{}", free_port().unwrap());
    let error = Broker::connect(&ConnectSettings::new(vec![address], "sea")).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, StreamError::Unreachable { .. }), "{text}");
    assert!(text.contains("nats://127.0.0.1:") && text.contains("refused"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_wrong_password_is_told_from_an_unreachable_server() {
    let users = "authorization { users = [ { user: sea, password: right } ] }";
    let server =
        own_server(NatsOptions { users: NatsUsers::Text(users.to_owned()), ..NatsOptions::nodes(1) }).await;
    let mut settings = settings(&server);
    settings.auth = Auth::UserPassword { user: "sea".to_owned(), password: "wrong".to_owned() };
    let error = Broker::connect(&settings).await.unwrap_err();
    assert!(matches!(error, StreamError::LoginRefused { .. }), "{error}");
    assert!(error.to_string().contains("user `sea`") && !error.to_string().contains("wrong"), "{error}");
    settings.auth = Auth::UserPassword { user: "sea".to_owned(), password: "right".to_owned() };
    assert!(Broker::connect(&settings).await.unwrap().is_connected());
}

#[tokio::test]
async fn unusable_credentials_are_named() {
    let mut settings = settings(shared_nats().await.unwrap());
    settings.auth = Auth::Credentials("not a credentials file".into());
    let error = Broker::connect(&settings).await.unwrap_err().to_string();
    assert!(error.contains("NATS_CREDS"), "{error}");
}

#[tokio::test]
async fn facts_tell_the_incarnation() {
    let place = place_on(shared_nats().await.unwrap(), |config| config).await;
    place.publish("a", 1..=3).await;
    let facts = place.broker.stream_info(&place.stream).await.unwrap();
    assert_eq!((facts.first_seq(), facts.last_seq(), facts.messages()), (1, 3, 3));
    assert!(facts.bytes() > 0 && facts.first_time().is_some());
    place.js.delete_stream(&place.stream).await.unwrap();
    let missing = place.broker.stream_info(&place.stream).await.unwrap_err();
    assert!(matches!(missing, StreamError::StreamMissing { .. }), "{missing}");
    place
        .js
        .create_stream(async_nats::jetstream::stream::Config {
            name: place.stream.clone(),
            ..Default::default()
        })
        .await
        .unwrap();
    let again = place.broker.stream_info(&place.stream).await.unwrap();
    assert!(again.created > facts.created);
    let consumer = place.broker.consumer_info(&place.stream, "nobody").await.unwrap_err();
    assert!(matches!(consumer, StreamError::ConsumerMissing { .. }), "{consumer}");
}

#[tokio::test]
async fn a_restart_shows_and_heals() {
    let mut server = own_server(NatsOptions::nodes(1)).await;
    let place = place_on(&server, |config| config).await;
    server.node(0).kill().await;
    until("the loss", || async { !place.broker.is_connected() }).await;
    let error = place.broker.stream_info(&place.stream).await.unwrap_err();
    assert!(matches!(error, StreamError::Disconnected { .. }), "{error}");
    server.restart().await.unwrap();
    until("the reconnect", || async { place.broker.is_connected() }).await;
    until("the state", || async {
        let state = place.broker.watch().borrow().clone();
        state.is_connected() && state.connects == 2
    })
    .await;
    place.publish("a", 1..=1).await;
    place.broker.close().await;
}

#[tokio::test]
async fn used_up_attempts_close_for_good() {
    let mut server = own_server(NatsOptions::nodes(1)).await;
    let mut settings = settings(&server);
    settings.reconnect_max = Some(2);
    settings.reconnect_delay = Duration::from_millis(1);
    let broker = Broker::connect(&settings).await.unwrap();
    server.node(0).kill().await;
    let reason = broker.closed().await;
    assert!(reason.contains("NATS_RECONNECT_MAX"), "{reason}");
    assert!(matches!(broker.watch().borrow().link, Link::Closed { .. }));
}
