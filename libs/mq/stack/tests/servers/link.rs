//! Links: what goes over them arrives, and what is cut waits.

use std::io::ErrorKind;

use sea_mq_stack::{Direction, Link, LinkState};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::peer::{Echo, connect, eventually, hear, hears_nothing, linked, noise, round, say, within};

#[tokio::test]
async fn everything_arrives_in_order_and_a_half_close_keeps_the_other_half() {
    let (_echo, link) = linked().await;
    let bytes = noise(3_000_000);
    let back = within("all of it", round(connect(&link).await, &bytes)).await.unwrap();
    assert!(back == bytes, "{} of {} bytes", back.len(), bytes.len());
    eventually("the connection has ended", || link.stats().open == 0).await;
    let stats = link.stats();
    assert_eq!((stats.connections, stats.resets), (1, 0));
    assert_eq!((stats.bytes_forward, stats.bytes_backward), (3_000_000, 3_000_000));
}

#[tokio::test]
async fn a_cut_holds_what_is_sent_and_healing_hands_it_on() {
    let (_echo, link) = linked().await;
    let mut old = connect(&link).await;
    say(&mut old, "before").await;
    hear(&mut old, "before").await;

    link.set(LinkState::Cut);
    say(&mut old, "dur").await;
    hears_nothing(&mut old).await;
    let mut new = connect(&link).await;
    say(&mut new, "new").await;
    hears_nothing(&mut new).await;
    say(&mut old, "ing").await;
    old.shutdown().await.unwrap();

    link.set(LinkState::Clear);
    hear(&mut new, "new").await;
    let mut rest = String::new();
    within("the close", old.read_to_string(&mut rest)).await.unwrap();
    assert_eq!(rest, "during");
}

#[tokio::test]
async fn one_direction_may_be_cut_alone() {
    let (_echo, link) = linked().await;
    let mut stream = connect(&link).await;
    say(&mut stream, "a").await;
    hear(&mut stream, "a").await;

    link.set_one_way(Direction::Backward, LinkState::Cut);
    say(&mut stream, "b").await;
    eventually("it arrived there", || link.stats().bytes_forward == 2).await;
    hears_nothing(&mut stream).await;
    assert_eq!(link.state(Direction::Forward), LinkState::Clear);
    link.set_one_way(Direction::Backward, LinkState::Clear);
    hear(&mut stream, "b").await;
}

#[tokio::test]
async fn who_gave_up_during_a_cut_never_reaches_the_other_end() {
    let (echo, link) = linked().await;
    link.set(LinkState::Cut);
    let mut hasty = connect(&link).await;
    say(&mut hasty, "late").await;
    drop(hasty);
    let mut patient = connect(&link).await;
    say(&mut patient, "patient").await;
    eventually("both are held", || link.stats().open == 2).await;

    link.set(LinkState::Clear);
    hear(&mut patient, "patient").await;
    eventually("the hasty one is gone", || link.stats().open == 1).await;
    assert_eq!(echo.accepted(), 1);
    assert_eq!(link.stats().bytes_forward, 7);
}

#[tokio::test]
async fn a_refusing_link_resets_what_is_there_and_refuses_what_comes() {
    let (_echo, link) = linked().await;
    let mut old = connect(&link).await;
    say(&mut old, "a").await;
    hear(&mut old, "a").await;

    link.set(LinkState::Refused);
    let error = within("the reset", old.read_u8()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let refused = async { while TcpStream::connect(link.address()).await.is_ok() {} };
    within("a refusal", refused).await;
    assert!(link.stats().resets >= 1);

    link.set(LinkState::Clear);
    let accepted = async {
        loop {
            if let Ok(stream) = TcpStream::connect(link.address()).await {
                return stream;
            }
        }
    };
    let mut new = within("a connection", accepted).await;
    say(&mut new, "b").await;
    hear(&mut new, "b").await;
}

#[tokio::test]
async fn what_was_cut_can_be_reset() {
    let (_echo, link) = linked().await;
    link.set(LinkState::Cut);
    let mut held = connect(&link).await;
    eventually("it is held", || link.stats().open == 1).await;
    link.set(LinkState::Refused);
    let error = within("the reset", held.read_u8()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_server_that_is_down_shows_and_one_that_moved_is_found() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = listener.local_addr().unwrap();
    drop(listener);
    let link = Link::open("moving", gone).unwrap();
    let error = within("the reset", connect(&link).await.read_u8()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);

    let echo = Echo::start().await;
    link.to(echo.address);
    let mut stream = connect(&link).await;
    say(&mut stream, "there").await;
    hear(&mut stream, "there").await;
}

#[tokio::test]
async fn a_reset_from_the_other_end_is_a_reset_here() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = Link::open("resetting", listener.local_addr().unwrap()).unwrap();
    let mut stream = connect(&link).await;
    say(&mut stream, "a").await;
    let (server, _) = within("a connection", listener.accept()).await.unwrap();
    within("its byte", server.readable()).await.unwrap();
    server.set_zero_linger().unwrap();
    drop(server);
    let error = within("the reset", stream.read_u8()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(link.stats().resets, 1);
}

#[tokio::test]
async fn dropping_it_closes_everything() {
    let (_echo, link) = linked().await;
    let mut stream = connect(&link).await;
    say(&mut stream, "a").await;
    hear(&mut stream, "a").await;
    let address = link.address();
    drop(link);
    // A close, or a reset: what matters is that it ends.
    let ended = within("the end", stream.read_u8()).await;
    assert!(ended.is_err(), "{ended:?}");
    let refused = async { while TcpStream::connect(address).await.is_ok() {} };
    within("a refusal", refused).await;
}

#[test]
fn a_link_without_a_runtime_says_so() {
    let error = Link::open("alone", "127.0.0.1:1".parse().unwrap()).unwrap_err().to_string();
    assert!(error.contains("alone") && error.contains("runtime"), "{error}");
}
