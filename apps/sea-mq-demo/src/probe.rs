use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// What a program says about itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    /// `/health/ready` answers 200.
    Yes,
    /// It does not, and what it says instead.
    No(String),
}

/// Asks `/health/ready` on a port of this machine.
pub(crate) async fn readiness(port: u16) -> Ready {
    match tokio::time::timeout(ANSWER_LIMIT, get(port)).await {
        Ok(Ok(answer)) => read(&answer),
        Ok(Err(error)) => Ready::No(error.to_string()),
        Err(_elapsed) => Ready::No("no answer".to_owned()),
    }
}

/// HTTP 1.0, so that the answer ends with the connection and is never chunked.
async fn get(port: u16) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).await?;
    connection.write_all(b"GET /health/ready HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").await?;
    let mut text = String::new();
    connection.read_to_string(&mut text).await?;
    Ok(text)
}

fn read(answer: &str) -> Ready {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    match head.split_whitespace().nth(1) {
        Some("200") => Ready::Yes,
        Some(_) | None => Ready::No(body.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Ready, read};

    #[test]
    fn only_200_is_ready() {
        assert_eq!(read("HTTP/1.1 200 OK\r\na: b\r\n\r\n{}"), Ready::Yes);
        for (answer, why) in [("HTTP/1.1 503 No\r\n\r\nwhy", "why"), ("", ""), ("nonsense", "")] {
            assert_eq!(read(answer), Ready::No(why.to_owned()), "{answer}");
        }
    }
}
