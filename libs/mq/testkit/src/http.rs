//! The little HTTP that a test needs to look at a worker.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A worker that takes longer counts as not answering: it may be frozen.
const LIMIT: Duration = Duration::from_secs(2);

/// Status and body of `GET path` on 127.0.0.1; `None` when nobody answers.
pub(crate) async fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let exchange = async {
        let mut connection = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        // HTTP 1.0: the answer ends with the connection and is never chunked.
        let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
        connection.write_all(request.as_bytes()).await.ok()?;
        let mut text = String::new();
        connection.read_to_string(&mut text).await.ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split_whitespace().nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    };
    tokio::time::timeout(LIMIT, exchange).await.ok()?
}

/// The sum of a metric over all its labels, in Prometheus' text form; `None` when it is not there.
pub(crate) fn metric(text: &str, name: &str) -> Option<f64> {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let value = if rest.starts_with('{') { rest.rsplit_once('}')?.1 } else { rest };
        value.starts_with(' ').then(|| value.split_whitespace().next()?.parse::<f64>().ok())?
    });
    values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
}

#[cfg(test)]
mod tests {
    use super::metric;

    #[test]
    fn a_metric_is_summed_over_its_labels() {
        let text = "# HELP a x\na{c=\"1\"} 2\na{c=\"2 }\"} 3.5\nab 7\nb 1\n";
        assert_eq!(metric(text, "a"), Some(5.5));
        assert_eq!(metric(text, "b"), Some(1.0));
        assert_eq!(metric(text, "c"), None);
    }
}
