use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// An answer: status and body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: Option<u16>,
    pub(crate) body: String,
}

/// `GET path` from a port of this machine.
///
/// # Errors
/// No connection, or no answer within 3 s.
pub(crate) async fn get(port: u16, path: &str) -> std::io::Result<Answer> {
    match tokio::time::timeout(ANSWER_LIMIT, fetch(port, path)).await {
        Ok(text) => Ok(read(&text?)),
        Err(_elapsed) => Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer")),
    }
}

/// Why a program is not ready, by its own `/health/ready`; `None` when it is.
pub(crate) async fn not_ready(port: u16) -> Option<String> {
    match get(port, "/health/ready").await {
        Ok(Answer { status: Some(200), .. }) => None,
        Ok(Answer { body, .. }) => Some(body),
        Err(error) => Some(error.to_string()),
    }
}

/// HTTP 1.0, so that the answer ends with the connection and is never chunked.
async fn fetch(port: u16, path: &str) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    connection.read_to_string(&mut text).await?;
    Ok(text)
}

fn read(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let status = head.split_whitespace().nth(1).and_then(|word| word.parse().ok());
    Answer { status, body: body.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{Answer, read};

    #[test]
    fn answers_are_read() {
        for (text, status, body) in [
            ("HTTP/1.1 200 OK\r\na: b\r\n\r\n{}", Some(200), "{}"),
            ("HTTP/1.1 503 No\r\n\r\nwhy", Some(503), "why"),
            ("", None, ""),
            ("nonsense", None, ""),
        ] {
            assert_eq!(read(text), Answer { status, body: body.to_owned() }, "{text}");
        }
    }
}
