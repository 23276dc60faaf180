//! What a node says about itself on its monitoring port.

use std::collections::BTreeSet;
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
    #[serde(default)]
    account_details: Vec<AccountState>,
}

#[derive(Debug, Deserialize)]
struct AccountState {
    #[serde(default)]
    stream_detail: Vec<StreamState>,
}

#[derive(Debug, Deserialize)]
struct StreamState {
    name: String,
    cluster: Option<StreamCluster>,
    #[serde(default)]
    state: StreamContent,
}

#[derive(Debug, Default, Deserialize)]
struct StreamContent {
    #[serde(default)]
    messages: u64,
}

#[derive(Debug, Deserialize)]
struct StreamCluster {
    #[serde(default)]
    leader: String,
}

/// The part of `/routez` that tells whom a node is connected to.
#[derive(Debug, Deserialize)]
struct RouteState {
    #[serde(default)]
    routes: Vec<Route>,
}

#[derive(Debug, Deserialize)]
struct Route {
    #[serde(default)]
    remote_name: String,
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

/// The name of a stream's leader as this node knows it; `Some(None)` when the
/// node holds the stream and belongs to no cluster.
pub(crate) async fn stream_leader(port: u16, stream: &str) -> Option<Option<String>> {
    leader_of(find_stream(&streams(port).await?, stream)?)
}

/// How many messages this node's copy of a stream holds.
pub(crate) async fn stream_messages(port: u16, stream: &str) -> Option<u64> {
    Some(find_stream(&streams(port).await?, stream)?.state.messages)
}

async fn streams(port: u16) -> Option<String> {
    Some(get(port, "/jsz?accounts=true&streams=true").await?.body)
}

fn find_stream(body: &str, stream: &str) -> Option<StreamState> {
    let state: JetStreamState = serde_json::from_str(body).ok()?;
    let mut streams = state.account_details.into_iter().flat_map(|account| account.stream_detail);
    streams.find(|found| found.name == stream)
}

fn leader_of(stream: StreamState) -> Option<Option<String>> {
    match stream.cluster {
        None => Some(None),
        Some(cluster) => (!cluster.leader.is_empty()).then_some(Some(cluster.leader)),
    }
}

/// The names of the nodes that this one has a route to.
pub(crate) async fn routes(port: u16) -> Option<BTreeSet<String>> {
    let answer = get(port, "/routez").await?;
    let state: RouteState = serde_json::from_str(&answer.body).ok()?;
    Some(state.routes.into_iter().map(|route| route.remote_name).collect())
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

    #[test]
    fn a_streams_leader_is_read() {
        let body = r#"{"account_details":[{"stream_detail":[
            {"name":"A","cluster":{"leader":"nats-2"},"state":{"messages":7}},
            {"name":"B","cluster":{}},{"name":"C"}]}]}"#;
        let leader = |name| leader_of(find_stream(body, name)?);
        assert_eq!(leader("A"), Some(Some("nats-2".to_owned())));
        assert_eq!(leader("B"), None, "no leader now");
        assert_eq!(leader("C"), Some(None), "a server alone");
        assert_eq!(leader("D"), None);
        assert_eq!(find_stream(body, "A").unwrap().state.messages, 7);
    }
}
