use bytes::Bytes;
use sea_mq_stack::{NatsCluster, NatsOptions, NatsUsers};
use sea_mq_stream::{Auth, Broker, Range, StreamError};

use crate::support::{Place, own_server, place, place_on, pull_all, settings};

async fn read(place: &Place, name: &str, from: u64, to: u64, limit: usize) -> Range {
    place.broker.read_range(&place.stream, "d", &place.subject(name), from, to, limit).await.unwrap()
}

fn sequences(range: &Range) -> Vec<u64> {
    range.messages.iter().map(|message| message.stream_seq).collect()
}

#[tokio::test]
async fn reads_what_matches_in_order() {
    let place = place().await;
    place.publish("a", 1..=3).await;
    place.publish("b", 4..=5).await;
    place.publish("a", 6..=8).await;
    let range = read(&place, "a", 2, 7, 100).await;
    assert_eq!((sequences(&range), range.complete), (vec![2, 3, 6, 7], true));
    let message = &range.messages[0];
    assert_eq!((message.message_id.as_deref(), message.body.as_ref()), (Some("2"), b"2".as_ref()));
    assert_eq!(message.subject, place.subject("a"));
    assert!(message.headers.contains(&("X-Test".to_owned(), "yes".to_owned())));
    for (name, from, to) in [("nothing", 1, 8), ("b", 1, 3), ("b", 6, 8), ("a", 4, 5), ("a", 5, 4)] {
        let empty = read(&place, name, from, to, 100).await;
        assert_eq!((sequences(&empty), empty.complete), (vec![], true), "{name} {from} {to}");
    }
}

/// As after the loss of a server's newest writes, and as a copy that lags behind the others looks.
#[tokio::test]
async fn a_stream_that_does_not_reach_the_end_is_never_called_complete() {
    let place = place().await;
    place.publish("a", 1..=8).await;
    for from in [7, 9, 20] {
        let read = place.broker.read_range(&place.stream, "d", &place.subject("a"), from, 1_000, 100).await;
        let error = read.unwrap_err();
        assert!(error.to_string().contains("up to sequence 8 only, and 1000 was seen"), "{error}");
    }
}

#[tokio::test]
async fn a_cluster_shows_its_end_as_well() {
    let cluster = own_server(NatsOptions::nodes(3)).await;
    let place =
        place_on(&cluster, |config| async_nats::jetstream::stream::Config { num_replicas: 3, ..config })
            .await;
    place.publish("a", 1..=4).await;
    place.publish("b", 5..=9).await;
    place.js.get_stream(&place.stream).await.unwrap().delete_message(9).await.unwrap();
    // Wherever its consumer is put.
    for _ in 0..6 {
        let range = read(&place, "a", 2, 9, 100).await;
        assert_eq!((sequences(&range), range.complete), (vec![2, 3, 4], true));
    }
}

/// Stores a message as no library would: with this header block.
pub(crate) async fn store_raw(place: &Place, server: &NatsCluster, block: &[u8]) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let url = server.client_urls().remove(0);
    let mut socket = tokio::net::TcpStream::connect(url.trim_start_matches("nats://")).await.unwrap();
    let head = format!(
        "CONNECT {{\"headers\":true,\"verbose\":false}}\r\nHPUB {} {} {}\r\n",
        place.subject("a"),
        block.len(),
        block.len() + 2
    );
    socket.write_all(&[head.as_bytes(), block, b"{}\r\nPING\r\n"].concat()).await.unwrap();
    let mut said = Vec::new();
    while !said.ends_with(b"PONG\r\n") {
        assert!(socket.read_buf(&mut said).await.unwrap() > 0, "{}", String::from_utf8_lossy(&said));
    }
}

/// Header blocks over which the client library closes the connection.
pub(crate) const BREAKING: [&[u8]; 6] = [
    b"NATS/1.0\r\nno colon\r\n\r\n",
    b"NATS/1.0\r\nX: \xff\r\n\r\n",
    b"HTTP/1.1\r\nX-Test: yes\r\n\r\n",
    b"\r\n\r\n",
    b"NATS/1.0\r\nX Y: z\r\n\r\n",
    b"NATS/1.0\r\n folded: 1\r\n\r\n",
];

#[tokio::test]
async fn what_comes_with_a_message_that_breaks_the_connection_is_read_one_by_one() {
    let server = own_server(NatsOptions::nodes(1)).await;
    for block in BREAKING {
        let shown = block.escape_ascii();
        let place = place_on(&server, |config| config).await;
        place.publish("a", 1..=2).await;
        store_raw(&place, &server, block).await;
        store_raw(&place, &server, block).await;
        place.publish("b", 5..=5).await;
        place.publish("a", 6..=6).await;
        let range = read(&place, "a", 1, 6, 100).await;
        assert_eq!((sequences(&range), range.complete), (vec![1, 2, 3, 4, 6], true), "{shown}");
        let unreadable: Vec<bool> = range.messages.iter().map(|m| m.unreadable.is_some()).collect();
        assert_eq!(unreadable, [false, false, true, true, false], "{shown}");
        assert_eq!(
            (range.messages[1].body.as_ref(), range.messages[2].body.as_ref()),
            (&b"2"[..], &b"{}"[..])
        );
        assert_eq!(range.messages[1].message_id.as_deref(), Some("2"), "{shown}");
        let part = read(&place, "a", 3, 6, 1).await;
        assert_eq!((sequences(&part), part.complete), (vec![3], false), "{shown}");
        let ids = place.broker.stored_ids(&place.stream, "ids", 1, 6, 100).await.unwrap();
        assert_eq!((ids.ids.len(), ids.complete), (6, true), "{shown}");
    }
}

#[tokio::test]
async fn read_singly_is_as_read_by_a_consumer() {
    let place = place().await;
    place.publish("a", 1..=3).await;
    place.publish("b", 4..=4).await;
    place.publish("a", 5..=9).await;
    place.js.get_stream(&place.stream).await.unwrap().delete_message(6).await.unwrap();
    let subject = place.subject("a");
    let singly =
        async |from, to, limit| place.broker.read_singly(&place.stream, &subject, from, to, limit).await;
    for (from, to) in [(1, 9), (2, 4), (4, 4), (6, 6), (6, 9), (5, 4)] {
        let (one, other) = (singly(from, to, 100).await.unwrap(), read(&place, "a", from, to, 100).await);
        assert_eq!(format!("{one:?}"), format!("{other:?}"), "{from} {to}");
    }
    let part = singly(1, 9, 2).await.unwrap();
    assert_eq!((sequences(&part), part.complete), (vec![1, 2], false));
    let error = singly(1, 10, 100).await.unwrap_err().to_string();
    assert!(error.contains("up to sequence 9 only, and 10 was seen"), "{error}");
}

#[tokio::test]
async fn where_single_messages_may_not_be_read_the_one_that_breaks_the_connection_is_named() {
    let users = r#"no_auth_user: all
        authorization { users: [
            { user: all, password: all }
            { user: some, password: some, permissions: { publish: { deny: ["$JS.API.STREAM.MSG.GET.>"] } } }
        ] }"#;
    let server =
        own_server(NatsOptions { users: NatsUsers::Text(users.to_owned()), ..NatsOptions::nodes(1) }).await;
    let place = place_on(&server, |config| config).await;
    place.publish("a", 1..=2).await;
    store_raw(&place, &server, BREAKING[0]).await;
    place.publish("a", 4..=4).await;
    let mut settings = settings(&server);
    settings.auth = Auth::UserPassword { user: "some".to_owned(), password: "some".to_owned() };
    let broker = Broker::connect(&settings).await.unwrap();
    let subject = place.subject("a");
    let read = async |from: u64| broker.read_range(&place.stream, "d", &subject, from, 4, 100).await;
    for _again in 0..2 {
        let error = match read(1).await {
            Ok(before) => {
                assert_eq!((sequences(&before), before.complete), (vec![1, 2], false));
                read(3).await.unwrap_err()
            }
            Err(error) => error,
        };
        let why = format!("message 3 of stream {} breaks the connection", place.stream);
        assert!(error.to_string().contains(&why), "{error}");
    }
    // The blamed message is left alone, so the same connection serves others.
    let stored = broker.publish(&place.stream, place.outgoing("a", "5")).await.unwrap();
    assert_eq!(stored.sequence, 5);
    place.js.get_stream(&place.stream).await.unwrap().delete_message(3).await.unwrap();
    let range = place.broker.read_range(&place.stream, "d", &subject, 1, 4, 100).await.unwrap();
    assert_eq!((sequences(&range), range.complete), (vec![1, 2, 4], true));
}

#[tokio::test]
async fn a_status_in_a_stored_message_is_no_notice() {
    let server = own_server(NatsOptions::nodes(1)).await;
    let place = place_on(&server, |config| config).await;
    place.create_durable(|_| {}).await;
    store_raw(&place, &server, b"NATS/1.0 503 Gone\r\nNats-Msg-Id: 1\r\n\r\n").await;
    let range = read(&place, "a", 1, 1, 100).await;
    assert_eq!((sequences(&range), range.complete), (vec![1], true));
    let pulled = pull_all(&mut place.durable().await, 1, 10).await;
    assert_eq!(pulled[0].message_id.as_deref(), Some("1"));
}

#[tokio::test]
async fn limits_bind_and_reading_on_completes() {
    let place = place().await;
    place.publish("a", 1..=700).await;
    let (mut next, mut all) = (1, Vec::new());
    loop {
        let range = read(&place, "a", next, 650, 300).await;
        assert!(range.messages.len() <= 300);
        all.extend(sequences(&range));
        if range.complete {
            break;
        }
        next = all.last().unwrap() + 1;
    }
    assert_eq!(all, (1..=650).collect::<Vec<u64>>());
}

#[tokio::test]
async fn bytes_are_bounded() {
    let place = place().await;
    let body = Bytes::from(vec![b'x'; 1_000_000]);
    for id in 1..=20 {
        let mut message = place.outgoing("a", &id.to_string());
        message.payload = body.clone();
        place.broker.publish(&place.stream, message).await.unwrap();
    }
    let (mut next, mut read_so_far, mut rounds) = (1, 0, 0);
    loop {
        let range = read(&place, "a", next, 20, 100).await;
        let bytes: usize = range.messages.iter().map(|message| message.body.len()).sum();
        assert!(bytes <= 17_000_000, "{bytes} bytes at once");
        read_so_far += range.messages.len();
        rounds += 1;
        if range.complete {
            break;
        }
        next = range.messages.last().unwrap().stream_seq + 1;
    }
    assert!(read_so_far == 20 && rounds >= 2, "{read_so_far} messages in {rounds} rounds");
}

#[tokio::test]
async fn deleted_messages_leave_gaps() {
    let place = place().await;
    place.publish("a", 1..=10).await;
    let stream = place.js.get_stream(&place.stream).await.unwrap();
    for sequence in [1, 4, 5, 10] {
        stream.delete_message(sequence).await.unwrap();
    }
    let range = read(&place, "a", 1, 10, 100).await;
    assert_eq!((sequences(&range), range.complete), (vec![2, 3, 6, 7, 8, 9], true));
    stream.purge().await.unwrap();
    let range = read(&place, "a", 1, 10, 100).await;
    assert_eq!((sequences(&range), range.complete), (vec![], true));
}

#[tokio::test]
async fn the_durable_is_not_touched_and_nothing_is_left_behind() {
    let place = place().await;
    place.create_durable(|config| config.max_ack_pending = 2).await;
    place.publish("a", 1..=5).await;
    read(&place, "a", 1, 5, 100).await;
    let facts = place.broker.consumer_info(&place.stream, "d").await.unwrap();
    assert_eq!((facts.delivered.consumer_seq, facts.num_pending), (0, 5));
    let gone = place.broker.consumer_info(&place.stream, "d__gap").await.unwrap_err();
    assert!(matches!(gone, StreamError::ConsumerMissing { .. }), "{gone}");
    // What a crash left behind does not stand in the way.
    let stale = async_nats::jetstream::consumer::pull::Config {
        name: Some("d__gap".to_owned()),
        ..Default::default()
    };
    place.js.get_stream(&place.stream).await.unwrap().create_consumer(stale).await.unwrap();
    assert_eq!(sequences(&read(&place, "a", 3, 4, 100).await), [3, 4]);
}

#[tokio::test]
async fn two_readers_at_once_never_skip_a_message() {
    let place = place().await;
    place.publish("a", 1..=600).await;
    let reader = async |from: u64| {
        let subject = place.subject("a");
        for _ in 0..20 {
            match place.broker.read_range(&place.stream, "d", &subject, from, 600, 1000).await {
                Ok(range) => {
                    assert!(range.complete);
                    assert_eq!(sequences(&range), (from..=600).collect::<Vec<u64>>());
                }
                Err(error) => assert!(
                    matches!(
                        error,
                        StreamError::RangeDisturbed { .. }
                            | StreamError::Api { .. }
                            | StreamError::ConsumerMissing { .. }
                            | StreamError::Timeout { .. }
                    ),
                    "{error}"
                ),
            }
        }
    };
    tokio::join!(reader(1), reader(301), reader(1));
    assert_eq!(sequences(&read(&place, "a", 1, 600, 1000).await), (1..=600).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_missing_stream_is_said() {
    let place = place().await;
    let error = place.broker.read_range("NOWHERE", "d", "a.>", 1, 2, 10).await.unwrap_err();
    assert!(matches!(error, StreamError::StreamMissing { .. }), "{error}");
}
