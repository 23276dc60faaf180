//! Links that are slow, lossy, or whose far end does not read.

use std::io::ErrorKind;
use std::time::Duration;

use sea_mq_stack::{Link, LinkState};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

use super::peer::{SILENCE, connect, eventually, hear, linked, noise, round, say, within};

const MS: Duration = Duration::from_millis(1);

fn lossy(stall_chance: f64, reset_chance: f64) -> LinkState {
    LinkState::Lossy { stall_chance, stall_min: 20 * MS, stall_max: 60 * MS, reset_chance }
}

#[tokio::test]
async fn a_slow_link_delays_both_ways_and_keeps_the_order() {
    let (_echo, link) = linked().await;
    link.set(LinkState::Slow { delay: 100 * MS, jitter: 30 * MS, bytes_per_sec: None });
    let mut stream = connect(&link).await;
    let start = Instant::now();
    say(&mut stream, "ping").await;
    hear(&mut stream, "ping").await;
    assert!(start.elapsed() >= 200 * MS, "{:?}", start.elapsed());

    let bytes = noise(1_500_000);
    let back = within("all of it", round(connect(&link).await, &bytes)).await.unwrap();
    assert!(back == bytes, "{} of {} bytes", back.len(), bytes.len());
}

#[tokio::test]
async fn a_narrow_link_takes_its_time() {
    let (_echo, link) = linked().await;
    link.set(LinkState::Slow { delay: MS, jitter: Duration::ZERO, bytes_per_sec: Some(200_000) });
    let (bytes, start) = (noise(100_000), Instant::now());
    let back = within("all of it", round(connect(&link).await, &bytes)).await.unwrap();
    assert!(back == bytes, "{} of {} bytes", back.len(), bytes.len());
    assert!(start.elapsed() >= 500 * MS, "{:?}", start.elapsed());
}

#[tokio::test]
async fn clearing_a_slow_link_lets_go_what_it_holds() {
    let (_echo, link) = linked().await;
    let forever = Duration::from_secs(3_600);
    link.set(LinkState::Slow { delay: forever, jitter: Duration::ZERO, bytes_per_sec: None });
    let mut stream = connect(&link).await;
    say(&mut stream, "held").await;
    assert!(timeout(SILENCE, stream.readable()).await.is_err());
    link.set(LinkState::Clear);
    hear(&mut stream, "held").await;
}

#[tokio::test]
async fn a_lossy_link_stalls_and_loses_nothing() {
    let (_echo, link) = linked().await;
    link.set(lossy(0.3, 0.0));
    let bytes = noise(500_000);
    let back = within("all of it", round(connect(&link).await, &bytes)).await.unwrap();
    assert!(back == bytes, "{} of {} bytes", back.len(), bytes.len());
    assert_eq!(link.stats().resets, 0);
}

#[tokio::test]
async fn a_lossy_link_resets_now_and_then() {
    let (echo, _) = linked().await;
    let link = Link::open_seeded("lossy", echo.address, 7).unwrap();
    link.set(lossy(0.0, 0.2));
    let outcome = async {
        loop {
            let mut stream = connect(&link).await;
            if stream.write_all(b"x").await.is_ok()
                && let Err(error) = stream.read_u8().await
            {
                return error;
            }
        }
    };
    let error = within("a reset", outcome).await;
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(link.stats().resets >= 1);
}

/// Takes connections and never reads from them.
async fn deaf() -> (TcpListener, Link) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = Link::open("deaf", listener.local_addr().unwrap()).unwrap();
    (listener, link)
}

#[tokio::test]
async fn a_sender_waits_when_the_far_end_does_not_read() {
    let (listener, link) = deaf().await;
    let mut stream = connect(&link).await;
    let (mut server, _) = within("a connection", listener.accept()).await.unwrap();
    let block = noise(1 << 20);
    let mut sent = 0;
    while let Ok(written) = timeout(SILENCE, stream.write(&block)).await {
        sent += written.unwrap();
        // What the kernel's buffers of both connections may hold, and the link's 1 MiB.
        assert!(sent < 64 << 20, "the link takes in without end");
    }
    assert!(link.stats().bytes_forward < sent as u64, "the link holds some of it");

    // It was all kept: the far end reads now.
    stream.shutdown().await.unwrap();
    let mut received = Vec::new();
    within("all of it", server.read_to_end(&mut received)).await.unwrap();
    assert_eq!(received.len(), sent);
}

#[tokio::test]
async fn a_link_to_a_deaf_end_can_be_cut_and_reset() {
    let (listener, link) = deaf().await;
    let mut stream = connect(&link).await;
    let (_server, _) = within("a connection", listener.accept()).await.unwrap();
    let block = noise(1 << 20);
    while timeout(SILENCE, stream.write(&block)).await.is_ok() {}
    link.set(LinkState::Cut);
    link.set(LinkState::Refused);
    let error = within("the reset", stream.read_u8()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    eventually("it is gone", || link.stats().open == 0).await;
}
