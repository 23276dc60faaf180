//! A handler that costs next to nothing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// How long after `occurred_at` each call came.
pub(crate) type Lags = Arc<Mutex<Vec<Duration>>>;

/// Answers every request at once with 204; knows no more of HTTP than that.
pub(crate) async fn instant_handler() -> Result<String, std::io::Error> {
    handler(None).await
}

/// The same, and keeps how late each call was.
pub(crate) async fn watching_handler(lags: Lags) -> Result<String, std::io::Error> {
    handler(Some(lags)).await
}

async fn handler(lags: Option<Lags>) -> Result<String, std::io::Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/handle", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.set_nodelay(true);
            let lags = lags.clone();
            tokio::spawn(async move {
                let mut pending: Vec<u8> = Vec::with_capacity(64 * 1024);
                loop {
                    while let Some(length) = request_length(&pending) {
                        let request: Vec<u8> = pending.drain(..length).collect();
                        if let Some(lags) = &lags {
                            lags.lock().unwrap().push(lag(&request));
                        }
                        if socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.is_err() {
                            return;
                        }
                    }
                    if socket.read_buf(&mut pending).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
            });
        }
    });
    Ok(url)
}

/// The length of the first whole request in the buffer.
fn request_length(buffer: &[u8]) -> Option<usize> {
    let end = buffer.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
    let length = head.split("content-length:").nth(1).and_then(|rest| rest.split("\r\n").next());
    let body = length.map_or(Some(0), |text| text.trim().parse::<usize>().ok())?;
    (buffer.len() >= end + body).then_some(end + body)
}

fn lag(request: &[u8]) -> Duration {
    let text = String::from_utf8_lossy(request);
    let at = text.split_once("\"occurred_at\":\"").and_then(|(_, rest)| rest.split('"').next()).unwrap();
    let at = OffsetDateTime::parse(at, &Rfc3339).unwrap();
    (OffsetDateTime::now_utc() - at).try_into().unwrap_or_default()
}
