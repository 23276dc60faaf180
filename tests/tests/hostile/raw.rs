//! A client of NATS that sends what no library would.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use uuid::Uuid;

const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// A message, as it goes over the wire.
#[derive(Clone, Debug)]
pub(crate) struct RawMessage {
    pub(crate) subject: Vec<u8>,
    /// The whole header block, with its first line and its end; `None` sends none.
    pub(crate) block: Option<Vec<u8>>,
    pub(crate) body: Vec<u8>,
}

/// What became of a message at the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Stored(u64),
    Refused(String),
}

/// One connection to one server, made anew when the server has had enough.
pub(crate) struct RawClient {
    address: String,
    socket: BufReader<TcpStream>,
    /// Nobody else's, with its trailing dot: several tests may use one server.
    inbox: String,
    sent: u64,
}

impl RawClient {
    pub(crate) async fn connect(url: &str) -> Self {
        let address = url.trim_start_matches("nats://").to_owned();
        let inbox = format!("raw.{}.", Uuid::new_v4().simple());
        let socket = open(&address, &inbox).await;
        Self { address, socket, inbox, sent: 0 }
    }

    /// Publishes, and waits for the stream's answer.
    pub(crate) async fn publish(&mut self, message: &RawMessage) -> Said {
        self.sent += 1;
        let reply = format!("{}{}", self.inbox, self.sent);
        let wire = wire(message, &reply);
        let answered = tokio::time::timeout(ANSWER_WITHIN, async {
            self.socket.get_mut().write_all(&wire).await.ok()?;
            self.answer(&reply).await
        });
        match answered.await {
            Ok(Some(said)) => said,
            Ok(None) => {
                self.socket = open(&self.address, &self.inbox).await;
                Said::Refused("the server closed the connection".to_owned())
            }
            Err(_) => panic!("no answer to {:?}", message.subject.escape_ascii().to_string()),
        }
    }

    /// `None` when the connection ended.
    async fn answer(&mut self, reply: &str) -> Option<Said> {
        loop {
            let mut line = Vec::new();
            if self.socket.read_until(b'\n', &mut line).await.ok()? == 0 {
                return None;
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let words: Vec<&str> = line.split(' ').collect();
            match words[0] {
                "PING" => self.socket.get_mut().write_all(b"PONG\r\n").await.ok()?,
                "MSG" | "HMSG" => {
                    let mut payload = vec![0; words.last()?.parse::<usize>().ok()? + 2];
                    self.socket.read_exact(&mut payload).await.ok()?;
                    if words[1] == reply {
                        return Some(said(&payload));
                    }
                }
                _info_or_error => {}
            }
        }
    }
}

fn wire(message: &RawMessage, reply: &str) -> Vec<u8> {
    let (block, body) = (message.block.as_deref(), &message.body);
    let whole = block.map_or(0, <[u8]>::len) + body.len();
    let (verb, sizes) = match block {
        Some(block) => ("HPUB", format!("{} {whole}", block.len())),
        None => ("PUB", whole.to_string()),
    };
    let head =
        [verb.as_bytes(), b" ", &message.subject, b" ", reply.as_bytes(), b" ", sizes.as_bytes()].concat();
    [&head, &b"\r\n"[..], block.unwrap_or_default(), body, b"\r\n"].concat()
}

/// An answer of JetStream, or a header block that says that nobody listens.
fn said(payload: &[u8]) -> Said {
    let text = String::from_utf8_lossy(payload).into_owned();
    let ack: Option<serde_json::Value> = serde_json::from_str(text.trim()).ok();
    match ack.as_ref().and_then(|ack| ack.get("seq")?.as_u64()).filter(|seq| *seq > 0) {
        Some(seq) if ack.as_ref().is_some_and(|ack| ack.get("error").is_none()) => Said::Stored(seq),
        Some(_) | None => Said::Refused(text),
    }
}

async fn open(address: &str, inbox: &str) -> BufReader<TcpStream> {
    let mut socket = BufReader::new(TcpStream::connect(address).await.unwrap());
    let options = r#"{"headers":true,"no_responders":true,"verbose":false,"pedantic":false}"#;
    let hello = format!("CONNECT {options}\r\nSUB {inbox}* 1\r\n");
    socket.get_mut().write_all(hello.as_bytes()).await.unwrap();
    socket
}
