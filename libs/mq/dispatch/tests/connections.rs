//! Calls over real sockets: what is kept open, and what each way to break off means.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use sea_mq_dispatch::{Answer, Handler, Signer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use uuid::Uuid;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone";
const OK_AND_CLOSED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ndone";
const CUT_OFF: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\ndone";

/// What a handler does with one connection: so many answers, then it hangs up.
struct Script {
    answers: &'static [&'static [u8]],
    /// Hangs up only when told by the other side.
    stays: bool,
}

/// Serves one script for each connection, in turn; returns the requests of each.
async fn server(scripts: Vec<Script>) -> (String, JoinHandle<Vec<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/handle?a=1", listener.local_addr().unwrap());
    let seen = tokio::spawn(async move {
        let mut seen = Vec::new();
        for script in scripts {
            let (socket, _) = listener.accept().await.unwrap();
            seen.push(serve(socket, &script).await);
        }
        seen
    });
    (url, seen)
}

async fn serve(mut socket: TcpStream, script: &Script) -> Vec<String> {
    let mut requests = Vec::new();
    for answer in script.answers {
        let Some(request) = request(&mut socket).await else { return requests };
        requests.push(request);
        socket.write_all(answer).await.unwrap();
    }
    if script.stays {
        assert_eq!(socket.read(&mut [0; 1]).await.unwrap(), 0, "the other side hangs up");
    }
    requests
}

/// One request whose body is `{}`; `None` when the connection ended.
async fn request(socket: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n{}") {
        let mut buffer = [0; 1024];
        let n = socket.read(&mut buffer).await.unwrap();
        if n == 0 {
            return None;
        }
        text.extend_from_slice(&buffer[..n]);
    }
    Some(String::from_utf8(text).unwrap())
}

async fn call(handler: &Handler) -> Answer {
    handler.call(Uuid::nil(), Bytes::from_static(b"{}"), None).await
}

fn status(answer: &Answer) -> u16 {
    let Answer::Status { code, .. } = answer else { panic!("{answer:?}") };
    *code
}

fn handler(url: &str) -> Handler {
    Handler::new(url, Duration::from_secs(20)).unwrap()
}

#[tokio::test]
async fn one_connection_serves_call_after_call() {
    let (url, seen) = server(vec![Script { answers: &[OK, OK, OK], stays: true }]).await;
    let handler = handler(&url);
    for _ in 0..3 {
        assert_eq!(status(&call(&handler).await), 200);
    }
    drop(handler);
    let seen = seen.await.unwrap();
    assert_eq!(seen[0].len(), 3);
    let authority = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
    let request = &seen[0][0];
    assert!(request.starts_with("POST /handle?a=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("host: {authority}\r\n")), "{request}");
    assert!(request.contains("content-type: application/json\r\n"), "{request}");
}

#[tokio::test]
async fn a_signed_call_says_what_a_handler_needs_to_check_it() {
    let (url, seen) = server(vec![Script { answers: &[OK], stays: true }]).await;
    let signed = handler(&url).signed(Signer::new(&[vec![1; 24], vec![2; 64]]));
    assert_eq!(status(&call(&signed).await), 200);
    drop(signed);
    let seen = seen.await.unwrap();
    let header = |name: &str| {
        let line = seen[0][0].lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("no {name}: {}", seen[0][0])).to_owned()
    };
    assert_eq!(header("webhook-id"), Uuid::nil().to_string());
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let at: u64 = header("webhook-timestamp").parse().unwrap();
    assert!((now - 30..=now).contains(&at), "{at} and {now}");
    let signatures = header("webhook-signature");
    assert_eq!(signatures.split(' ').filter(|it| it.starts_with("v1,") && it.len() == 47).count(), 2);
}

#[tokio::test]
async fn calls_at_the_same_time_have_a_connection_each() {
    let one = || Script { answers: &[OK], stays: true };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let handler = handler(&format!("http://{}", listener.local_addr().unwrap()));
    let serving = async {
        // Both requests are there before either is answered.
        let (mut first, _) = listener.accept().await.unwrap();
        let (mut second, _) = listener.accept().await.unwrap();
        for socket in [&mut first, &mut second] {
            assert!(request(socket).await.unwrap().starts_with("POST / HTTP/1.1\r\n"));
        }
        for socket in [&mut first, &mut second] {
            socket.write_all(one().answers[0]).await.unwrap();
        }
        (first, second)
    };
    let (left, right, _sockets) = tokio::join!(call(&handler), call(&handler), serving);
    assert_eq!((status(&left), status(&right)), (200, 200));
}

#[tokio::test]
async fn there_are_no_more_connections_than_calls_at_the_same_time() {
    const AT_ONCE: usize = 20;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let handler = handler(&format!("http://{}", listener.local_addr().unwrap()));
    let accepted = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&accepted);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            seen.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                while request(&mut socket).await.is_some() {
                    socket.write_all(OK).await.unwrap();
                }
            });
        }
    });
    // In one task, as dispatch has them.
    let calls = futures::stream::iter(0..2000).map(|_| call(&handler)).buffer_unordered(AT_ONCE);
    let answers: Vec<u16> = calls.map(|answer| status(&answer)).collect().await;
    assert!(answers.len() == 2000 && answers.iter().all(|code| *code == 200));
    let connections = accepted.load(Ordering::Relaxed);
    assert!(connections <= AT_ONCE, "{connections} connections");
}

#[tokio::test]
async fn a_handler_that_hangs_up_between_calls_costs_none() {
    let (url, seen) = server(vec![
        Script { answers: &[OK_AND_CLOSED], stays: false },
        Script { answers: &[OK], stays: false },
        Script { answers: &[OK], stays: true },
    ])
    .await;
    let handler = handler(&url);
    assert_eq!(status(&call(&handler).await), 200);
    assert_eq!(status(&call(&handler).await), 200);
    // The second connection is closed without a word. Either that is seen before the next call, or the
    // call meets it: then what became of the request is not known.
    let answer = call(&handler).await;
    match answer {
        Answer::Status { code, .. } => assert_eq!(code, 200),
        Answer::CutOff(_) => assert_eq!(status(&call(&handler).await), 200),
        Answer::NeverConnected(_) | Answer::TimedOut(_) => panic!("{answer:?}"),
    }
    drop(handler);
    assert_eq!(seen.await.unwrap().iter().map(Vec::len).sum::<usize>(), 3);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_cut_off() {
    let (url, _seen) = server(vec![
        Script { answers: &[CUT_OFF], stays: false },
        Script { answers: &[b""], stays: false },
        Script { answers: &[OK], stays: true },
    ])
    .await;
    let handler = handler(&url);
    for _ in 0..2 {
        let answer = call(&handler).await;
        assert!(matches!(answer, Answer::CutOff(_)), "{answer:?}");
    }
    assert_eq!(status(&call(&handler).await), 200, "on a new connection");
}

#[tokio::test]
async fn a_call_without_an_answer_takes_its_connection_along() {
    let (url, _seen) =
        server(vec![Script { answers: &[b""], stays: true }, Script { answers: &[OK], stays: true }]).await;
    let handler = Handler::new(&url, Duration::from_millis(300)).unwrap();
    let answer = call(&handler).await;
    assert!(matches!(answer, Answer::TimedOut(_)), "{answer:?}");
    // The first script ends only when its connection is closed; a second one is accepted after it.
    assert_eq!(status(&call(&handler).await), 200);
}

#[tokio::test]
async fn nobody_listening_is_never_connected() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let answer = call(&handler(&url)).await;
    assert!(matches!(answer, Answer::NeverConnected(_)), "{answer:?}");
}

#[tokio::test]
async fn what_is_idle_for_long_is_closed() {
    let (url, seen) = server(vec![Script { answers: &[OK], stays: true }]).await;
    let handler = handler(&url);
    assert_eq!(status(&call(&handler).await), 200);
    let closing = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        loop {
            ticks.tick().await;
            handler.close_idle();
        }
    };
    let closed = async { tokio::time::timeout(Duration::from_secs(20), seen).await };
    tokio::select! {
        () = closing => {}
        closed = closed => assert_eq!(closed.unwrap().unwrap()[0].len(), 1),
    }
}
