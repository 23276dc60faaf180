//! What a node says about itself on its monitoring port.

use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A node that takes longer to answer counts as not answering: it may be frozen.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// The part of `/jsz` that tells whether the cluster can decide.
#[derive(Debug, Deserialize)]
struct JetStreamState {
    meta_cluster: Option<MetaCluster>,
}

#[derive(Debug, Deserialize)]
struct MetaCluster {
    #[serde(default)]
    leader: String,
    #[serde(default)]
    cluster_size: usize,
}

/// Whether the node and everything it stores is up to date.
pub(crate) async fn is_healthy(port: u16) -> bool {
    get(port, "/healthz").await.is_some_and(|answer| answer.status == 200)
}

/// The name of the cluster's meta leader, if this node knows one and counts
/// this many members.
pub(crate) async fn meta_leader(port: u16, members: usize) -> Option<String> {
    let answer = get(port, "/jsz").await?;
    let state: JetStreamState = serde_json::from_str(&answer.body).ok()?;
    let meta = state.meta_cluster?;
    (meta.cluster_size == members && !meta.leader.is_empty()).then_some(meta.leader)
}

struct Answer {
    status: u16,
    body: String,
}

/// HTTP 1.0, so that the answer ends with the connection and is never chunked.
async fn get(port: u16, path: &str) -> Option<Answer> {
    let exchange = async {
        let mut connection = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
        connection.write_all(request.as_bytes()).await.ok()?;
        let mut text = String::new();
        connection.read_to_string(&mut text).await.ok()?;
        parse(&text)
    };
    tokio::time::timeout(ANSWER_LIMIT, exchange).await.ok()?
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_answer_is_taken_apart() {
        let answer = parse("HTTP/1.0 503 Service Unavailable\r\nA: b\r\n\r\n{\"x\":1}").unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (503, "{\"x\":1}"));
        assert!(parse("nonsense").is_none());
    }
}
