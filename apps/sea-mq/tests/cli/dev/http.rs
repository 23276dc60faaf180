use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// What a program answered; status 0 when it did not.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

pub fn get(url: &str, path: &str) -> Answer {
    exchange(url, &format!("GET {path} HTTP/1.0\r\n\r\n"))
}

pub fn send(method: &str, url: &str, path: &str, body: &Value) -> Answer {
    let body = body.to_string();
    let head = format!("Content-Type: application/json\r\nContent-Length: {}", body.len());
    exchange(url, &format!("{method} {path} HTTP/1.0\r\n{head}\r\n\r\n{body}"))
}

fn exchange(url: &str, request: &str) -> Answer {
    let text = asked(url, request).unwrap_or_default();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split_whitespace().nth(1).and_then(|word| word.parse().ok());
    Answer { status: status.unwrap_or_default(), body: serde_json::from_str(body).unwrap_or_default() }
}

fn asked(url: &str, request: &str) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(url.strip_prefix("http://").unwrap())?;
    connection.set_read_timeout(Some(Duration::from_secs(10)))?;
    connection.write_all(request.as_bytes())?;
    let mut text = String::new();
    connection.read_to_string(&mut text)?;
    Ok(text)
}
