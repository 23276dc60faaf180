use crate::support::{Place, place};

async fn ids(place: &Place, from: u64, to: u64, limit: usize) -> (Vec<(u64, Option<String>)>, bool) {
    let read = place.broker.stored_ids(&place.stream, "reader", from, to, limit).await.unwrap();
    (read.ids.into_iter().map(|stored| (stored.stream_seq, stored.message_id)).collect(), read.complete)
}

#[tokio::test]
async fn what_a_stream_holds_is_read_without_bodies() {
    let place = place().await;
    place.publish("a", 1..=3).await;
    place.publish("b", 4..=6).await;
    let stream = place.js.get_stream(&place.stream).await.unwrap();
    stream.delete_message(5).await.unwrap();
    let id = |seq: u64| (seq, Some(seq.to_string()));
    assert_eq!(ids(&place, 1, 6, 100).await, (vec![id(1), id(2), id(3), id(4), id(6)], true));
    assert_eq!(ids(&place, 2, 6, 2).await, (vec![id(2), id(3)], false));
    stream.purge().await.unwrap();
    assert_eq!(ids(&place, 1, 6, 100).await, (vec![], true));
}

/// What a repair must not fall for.
#[tokio::test]
async fn a_purged_stream_says_duplicate_and_does_not_hold_it() {
    let place = place().await;
    place.publish("a", 1..=2).await;
    let send = async |id: &str| place.broker.publish(&place.stream, place.outgoing("a", id)).await.unwrap();
    let holds = async |seq, id| place.broker.holds(&place.stream, seq, id).await.unwrap();
    let again = send("2").await;
    assert_eq!((again.duplicate, again.sequence, holds(2, "2").await), (true, 2, true));
    assert!(!holds(2, "1").await, "another one is there");
    place.js.get_stream(&place.stream).await.unwrap().purge().await.unwrap();
    let again = send("2").await;
    assert_eq!((again.duplicate, again.sequence, holds(2, "2").await), (true, 2, false));
    assert!(!holds(99, "2").await);
}
