//! What an answer costs in memory. A process of its own, since it is the process that is measured.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "bad_input/server.rs"]
mod server;

use std::time::Duration;

use bytes::Bytes;
use sea_mq_dispatch::{Answer, Handler};
use uuid::Uuid;

/// Events of a batch, and what is read of its answer: 64 KiB, and 4 KiB for each of them.
const EVENTS: usize = 200;
const LIMIT: usize = (64 + 4 * EVENTS) * 1024;

/// The most memory that this process had at once, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// The worst form of the longest answer: its bytes come one by one, and each would be kept by itself.
#[tokio::test]
async fn an_answer_in_the_smallest_chunks_costs_no_more_than_one_in_large_ones() {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let endless = server::Reply::Endless(head, b"1\r\nx\r\n".to_vec());
    let handler = Handler::new(&server::serve(vec![endless]).await, Duration::from_secs(60)).unwrap();
    let before = peak();
    let answer = handler.call_batch(Uuid::nil(), Bytes::from_static(b"[]"), EVENTS).await;
    assert!(
        matches!(&answer, Answer::Status { code: 200, body, .. } if body.contains("more than")),
        "{answer:?}"
    );
    let cost = peak().saturating_sub(before);
    // The connection's own buffers, and the test's.
    let others = 8 * 1024 * 1024;
    assert!(cost < 3 * LIMIT + others, "{cost} bytes for an answer of at most {LIMIT}");
}
