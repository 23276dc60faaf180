//! The other ends of links: servers that echo, and what a client says to them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sea_mq_stack::Link;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How long nothing has to come for it to count as nothing.
pub const SILENCE: Duration = Duration::from_millis(200);
const LIMIT: Duration = Duration::from_secs(20);

/// Answers every byte with itself, and a close with a close.
pub struct Echo {
    pub address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Echo {
    pub async fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub fn on(listener: TcpListener) -> Self {
        let (address, accepted) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let counter = accepted.clone();
        let task = tokio::spawn(async move {
            let mut served = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                served.spawn(echo(stream));
            }
        });
        Self { address, accepted, task }
    }

    /// How many have reached it.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn echo(mut stream: TcpStream) {
    let (mut from, mut to) = stream.split();
    if tokio::io::copy(&mut from, &mut to).await.is_ok() {
        to.shutdown().await.ok();
    }
}

/// An echoing server behind a link.
pub async fn linked() -> (Echo, Link) {
    let echo = Echo::start().await;
    let link = Link::open("echo", echo.address).unwrap();
    (echo, link)
}

pub async fn connect(link: &Link) -> TcpStream {
    TcpStream::connect(link.address()).await.unwrap()
}

pub async fn say(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

/// The next bytes are these.
pub async fn hear(stream: &mut TcpStream, text: &str) {
    let mut heard = vec![0; text.len()];
    within("an answer", stream.read_exact(&mut heard)).await.unwrap();
    assert_eq!(String::from_utf8(heard).unwrap(), text);
}

pub async fn hears_nothing(stream: &mut TcpStream) {
    let mut byte = [0];
    let early = tokio::time::timeout(SILENCE, stream.read(&mut byte)).await;
    assert!(early.is_err(), "something came: {early:?}");
}

pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.unwrap_or_else(|_| panic!("not within {LIMIT:?}: {what}"))
}

/// Waits until the condition holds.
pub async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(what, waiting).await;
}

/// Bytes of which no two stretches are alike.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Sends all of it, closes, and returns what comes back.
pub async fn round(stream: TcpStream, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let (mut from, mut to) = stream.into_split();
    let sending = async {
        to.write_all(bytes).await?;
        to.shutdown().await
    };
    let mut back = Vec::new();
    tokio::try_join!(sending, from.read_to_end(&mut back))?;
    Ok(back)
}
