//! A server on the bare socket.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What one connection gets, whatever it asks.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// These bytes; then the server hangs up.
    Once(Vec<u8>),
    /// These bytes; then nothing, until the other side hangs up.
    Stays(Vec<u8>),
    /// The first bytes, and then the second ones without an end.
    Endless(Vec<u8>, Vec<u8>),
    /// These bytes, one at a time, with a pause before each; then the server hangs up.
    Trickles(Vec<u8>, Duration),
    /// These bytes before anything was asked; then the server hangs up.
    Unasked(Vec<u8>),
}

/// Answers one connection after the other, with a reply each, in turn; then with 204 for ever.
pub(crate) async fn serve(replies: Vec<Reply>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/handle", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut replies = replies.into_iter();
        while let Ok((socket, _)) = listener.accept().await {
            let good = || Reply::Once(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_vec());
            tokio::spawn(answer(socket, replies.next().unwrap_or_else(good)));
        }
    });
    url
}

/// Whatever fails here is the other side's hanging up, which is what a test may want.
async fn answer(mut socket: TcpStream, reply: Reply) {
    if !matches!(reply, Reply::Unasked(_)) && socket.read(&mut [0; 4096]).await.is_err() {
        return;
    }
    match reply {
        Reply::Once(bytes) | Reply::Unasked(bytes) => {
            let _ = socket.write_all(&bytes).await;
            let _ = socket.shutdown().await;
            // A close with unread bytes would be a reset, and take the answer along.
            let _ = tokio::io::copy(&mut socket, &mut tokio::io::sink()).await;
        }
        Reply::Stays(bytes) => {
            let _ = socket.write_all(&bytes).await;
            let _ = tokio::io::copy(&mut socket, &mut tokio::io::sink()).await;
        }
        Reply::Endless(first, then) => {
            let many = then.repeat(65_536 / then.len().max(1) + 1);
            let mut ended = socket.write_all(&first).await.is_err();
            while !ended {
                ended = socket.write_all(&many).await.is_err();
            }
        }
        Reply::Trickles(bytes, pause) => {
            let _ = socket.set_nodelay(true);
            for byte in bytes {
                tokio::time::sleep(pause).await;
                if socket.write_all(&[byte]).await.is_err() {
                    return;
                }
            }
        }
    }
}
