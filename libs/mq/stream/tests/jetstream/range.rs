use bytes::Bytes;
use sea_mq_stream::{Range, StreamError};

use crate::support::{Place, place};

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
    let beyond = read(&place, "a", 7, 1_000, 100).await;
    assert_eq!((sequences(&beyond), beyond.complete), (vec![7, 8], true));
    for (name, from, to) in [("a", 9, 1_000), ("nothing", 1, 8), ("b", 1, 3), ("a", 5, 4)] {
        let empty = read(&place, name, from, to, 100).await;
        assert_eq!((sequences(&empty), empty.complete), (vec![], true), "{name} {from} {to}");
    }
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
    let want: Vec<u64> = (1..=600).collect();
    let reader = || async {
        let subject = place.subject("a");
        for _ in 0..20 {
            match place.broker.read_range(&place.stream, "d", &subject, 1, 600, 1000).await {
                Ok(range) => {
                    assert!(range.complete);
                    assert_eq!(sequences(&range), want);
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
    tokio::join!(reader(), reader());
    assert_eq!(sequences(&read(&place, "a", 1, 600, 1000).await), want);
}

#[tokio::test]
async fn a_missing_stream_is_said() {
    let place = place().await;
    let error = place.broker.read_range("NOWHERE", "d", "a.>", 1, 2, 10).await.unwrap_err();
    assert!(matches!(error, StreamError::StreamMissing { .. }), "{error}");
}
