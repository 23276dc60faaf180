//! Answers that are known to be nasty, over a real socket.

use std::time::Duration;

use bytes::Bytes;
use sea_mq_dispatch::{Answer, Capabilities, Handler, Outcome, batch_outcome, outcome};
use uuid::Uuid;

use crate::server::{Reply, serve};
use crate::{is_stated, is_stated_for_each};

/// Of a single answer no more than this is read.
const ANSWER_LIMIT: usize = 64 * 1024;

/// What a nasty answer is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    Status(u16),
    CutOff,
    TimedOut,
}

fn taken(answer: &Answer) -> Taken {
    match answer {
        Answer::Status { code, .. } => Taken::Status(*code),
        Answer::CutOff(_) => Taken::CutOff,
        Answer::TimedOut(_) => Taken::TimedOut,
        Answer::NeverConnected(why) => panic!("never connected: {why}"),
    }
}

async fn call(handler: &Handler) -> Answer {
    handler.call(Uuid::nil(), Bytes::from_static(b"{}"), None).await
}

/// One call that gets this reply, and a next one that gets a good answer.
async fn answer_to(reply: Reply, timeout: Duration) -> Answer {
    let shown = format!("{reply:?}").chars().take(200).collect::<String>();
    let handler = Handler::new(&serve(vec![reply]).await, timeout).unwrap();
    let answer = call(&handler).await;
    assert!(is_stated(&outcome(&answer)), "{shown}: {answer:?}");
    assert!(is_stated_for_each(&batch_outcome(&answer, 3), 3), "{shown}: {answer:?}");
    let mut next = call(&handler).await;
    if taken(&next) == Taken::CutOff {
        // It met the hanging-up of a connection that was to be kept.
        next = call(&handler).await;
    }
    assert_eq!(taken(&next), Taken::Status(204), "after {shown}: {next:?}");
    answer
}

async fn once(bytes: impl AsRef<[u8]>) -> Taken {
    taken(&answer_to(Reply::Once(bytes.as_ref().to_vec()), Duration::from_secs(20)).await)
}

#[tokio::test]
async fn what_is_no_answer_is_cut_off() {
    for bytes in [
        &b""[..],
        b"\r\n",
        b"\0\0\0\0",
        b"\xff\xfe\xfd\r\n\r\n",
        b"ok\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 \r\n\r\n",
        b"HTTP/1.1 20\r\n\r\n",
        b"HTTP/1.1 OK 200\r\n\r\n",
        b"HTTP/1.1 -200 OK\r\n\r\n",
        b"HTTP/1.1 000 Zero\r\n\r\n",
        b"HTTP/1.1 9999 Many\r\n\r\n",
        b"HTTP/1.1 2e2 OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x15\x03\x03\0\x02\x02\x28",
        b"ICY 200 OK\r\n\r\n",
        b"{\"status\":200}",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: empty\r\n\r\n",
    ] {
        assert_eq!(once(bytes).await, Taken::CutOff, "{}", bytes.escape_ascii());
    }
}

#[tokio::test]
async fn a_body_that_is_not_what_its_head_says_is_cut_off() {
    for (head, body) in [
        ("Content-Length: 5", "done"),
        ("Content-Length: 18446744073709551615", "done"),
        ("Content-Length: 99999999999999999999999", "done"),
        ("Content-Length: -4", "done"),
        ("Content-Length: 4.0", "done"),
        ("Content-Length: 0x4", "done"),
        ("Content-Length: 4\r\nContent-Length: 5", "done!"),
        ("Transfer-Encoding: chunked", ""),
        ("Transfer-Encoding: chunked", "4\r\ndone"),
        ("Transfer-Encoding: chunked", "4\r\ndone\r\n"),
        ("Transfer-Encoding: chunked", "4\r\ndone!\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "5\r\ndone\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "-4\r\ndone\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "four\r\ndone\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "FFFFFFFFFFFFFFFF\r\ndone\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "10000000000000000\r\ndone\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "4\r\ndone\r\n0\r\nno colon\r\n\r\n"),
    ] {
        for code in [200, 422, 500] {
            let text = format!("HTTP/1.1 {code} Said\r\n{head}\r\n\r\n{body}");
            assert_eq!(once(&text).await, Taken::CutOff, "{text:?}");
        }
    }
}

#[tokio::test]
async fn odd_answers_that_are_whole_count() {
    for (bytes, code) in [
        (&b"HTTP/1.0 200 OK\r\n\r\ndone"[..], 200),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200),
        (b"HTTP/1.1 999 ?\r\nContent-Length: 0\r\n\r\n", 999),
        (b"HTTP/1.1 600 \xff\xfe\r\nContent-Length: 0\r\n\r\n", 600),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\ndone", 204),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n", 304),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\0", 200),
        (b"HTTP/1.1 422 No\r\nContent-Encoding: gzip, br\r\nContent-Length: 5\r\n\r\n\x1f\x8b\xff\0\x1b", 422),
        (b"HTTP/1.1 500 E\r\nContent-Type: text/html; charset=utf-16\r\nContent-Length: 4\r\n\r\n\xff\xfe\0\xd8", 500),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;a=\"b\"\r\ndone\r\n0\r\nX: y\r\n\r\n", 200),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200),
        (b"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/elsewhere\r\nContent-Length: 0\r\n\r\n", 301),
        (b"HTTP/1.1 401 Who\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n", 401),
    ] {
        assert_eq!(once(bytes).await, Taken::Status(code), "{}", bytes.escape_ascii());
    }
    let hundred = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(5000);
    let after = [&hundred[..], b"HTTP/1.1 409 Done\r\nContent-Length: 0\r\n\r\n"].concat();
    assert_eq!(once(after).await, Taken::Status(409));
}

/// Head and body are read up to a bound each.
#[tokio::test]
async fn nothing_is_read_without_end() {
    let ok = b"HTTP/1.1 200 OK\r\n".to_vec();
    let patience = Duration::from_secs(20);
    for (first, then) in [
        (&b""[..], &b"x"[..]),
        (b"HTTP/1.1 200 ", b"OK"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
    ] {
        let answer = answer_to(Reply::Endless(first.to_vec(), then.to_vec()), patience).await;
        assert_eq!(
            taken(&answer),
            Taken::CutOff,
            "{} {}: {answer:?}",
            first.escape_ascii(),
            then.escape_ascii()
        );
    }
    for head in ["\r\n", "Content-Length: 9000000000000000000\r\n\r\n", "Content-Length: 1000000000\r\n\r\n"]
    {
        let answer =
            answer_to(Reply::Endless([&ok, head.as_bytes()].concat(), b"x".to_vec()), patience).await;
        let Answer::Status { code: 200, body, .. } = answer else { panic!("{head:?}: {answer:?}") };
        assert!(body.contains("a body of more than"), "{body}");
    }
    let chunked = b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let answer = answer_to(Reply::Endless(chunked, b"1\r\nx\r\n".to_vec()), patience).await;
    assert_eq!(taken(&answer), Taken::Status(500));
}

#[tokio::test]
async fn the_bound_of_a_body_is_exact() {
    for (length, fits) in [(ANSWER_LIMIT, true), (ANSWER_LIMIT + 1, false)] {
        let head = format!("HTTP/1.1 500 No\r\nContent-Length: {length}\r\n\r\n");
        let bytes = [head.into_bytes(), vec![b'x'; length]].concat();
        let Answer::Status { body, .. } = answer_to(Reply::Once(bytes), Duration::from_secs(20)).await else {
            panic!("{length}")
        };
        assert_eq!(body.len() == length, fits, "{length}: {} bytes", body.len());
        // What is not text grows by being made text.
        assert!(body.len() <= 3 * ANSWER_LIMIT);
    }
}

/// The time is for the whole answer: signs of life do not lengthen it.
#[tokio::test]
async fn what_does_not_come_in_time_is_timed_out() {
    let limit = Duration::from_millis(250);
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ndone".to_vec();
    let slowly =
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n".iter().copied().chain([b'x'; 100]).collect();
    for reply in [
        Reply::Stays(Vec::new()),
        Reply::Stays(b"HTTP/1.1 200 OK\r\n".to_vec()),
        Reply::Stays(ok),
        Reply::Stays(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ndone\r\n".to_vec()),
        Reply::Stays(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()),
        Reply::Trickles(slowly, Duration::from_millis(20)),
        Reply::Endless(Vec::new(), b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()),
        Reply::Endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(), b"0".to_vec()),
        Reply::Endless(Vec::new(), b"HTTP/1.1 102 Processing\r\nX: y\r\n\r\n".to_vec()),
    ] {
        let answer = answer_to(reply.clone(), limit).await;
        assert_eq!(answer, Answer::TimedOut(limit), "{reply:?}");
    }
}

#[tokio::test]
async fn an_answer_may_come_byte_by_byte() {
    let bytes = b"HTTP/1.1 422 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nwhy\r\n0\r\n\r\n".to_vec();
    let answer = answer_to(Reply::Trickles(bytes, Duration::from_millis(1)), Duration::from_secs(20)).await;
    assert!(matches!(outcome(&answer), Outcome::Poison(why) if why.ends_with("why")), "{answer:?}");
}

/// An answer that nobody asked for, or a second one, must not settle another event.
#[tokio::test]
async fn an_answer_is_for_its_own_call_only() {
    let conflict = "HTTP/1.1 422 No\r\nContent-Length: 0\r\n\r\n";
    let two = format!("HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n{conflict}");
    let first = answer_to(Reply::Stays(two.clone().into_bytes()), Duration::from_secs(20)).await;
    assert_eq!(taken(&first), Taken::Status(503));
    let answer = answer_to(Reply::Unasked(two.into_bytes()), Duration::from_secs(20)).await;
    assert!(matches!(taken(&answer), Taken::CutOff | Taken::Status(503)), "{answer:?}");
    let upgraded = b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x04done";
    let answer = answer_to(Reply::Stays(upgraded.to_vec()), Duration::from_secs(20)).await;
    assert!(matches!(outcome(&answer), Outcome::Transient { .. }), "{answer:?}");
}

#[tokio::test]
async fn a_pause_that_is_none_is_not_taken() {
    let day = Some(Duration::from_hours(24));
    for (said, wait) in [
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("1e9", None),
        ("NaN", None),
        ("soon", None),
        ("0x10", None),
        ("\u{663}", None),
        ("Sun, 99 Nov 2094 08:49:37 GMT", None),
        ("Sun, 06 Nov 2094", None),
        ("0", Some(Duration::ZERO)),
        ("86401", day),
        ("18446744073709551615", day),
        ("18446744073709551616", day),
        ("99999999999999999999999999", day),
        ("Fri, 31 Dec 9999 23:59:59 GMT", day),
        ("Thu, 01 Jan 1970 00:00:00 GMT", Some(Duration::ZERO)),
        ("7\r\nRetry-After: 9", Some(Duration::from_secs(7))),
    ] {
        let bytes = format!("HTTP/1.1 503 Later\r\nRetry-After: {said}\r\nContent-Length: 0\r\n\r\n");
        let answer = answer_to(Reply::Once(bytes.into_bytes()), Duration::from_secs(20)).await;
        let Answer::Status { code: 503, retry_after, .. } = answer else { panic!("{said:?}: {answer:?}") };
        assert_eq!(retry_after, wait, "{said:?}");
    }
}

#[tokio::test]
async fn what_is_not_understood_of_an_offer_offers_nothing() {
    let deep = format!("{{\"contract\": 1, \"batch\": {}", "[".repeat(60_000));
    for body in [
        "",
        "null",
        "\u{feff}{\"contract\": 1, \"batch\": {\"max_events\": 10}}",
        "{\"contract\": 1, \"batch\": {\"max_events\": 10}} {}",
        "{\"contract\": 1, \"contract\": 1, \"batch\": {\"max_events\": 10}}",
        "{\"contract\": 1.0, \"batch\": {\"max_events\": 10}}",
        "{\"contract\": 1, \"batch\": {\"max_events\": 1e1}}",
        "{\"contract\": 1, \"batch\": {\"max_events\": \"10\"}}",
        "{\"contract\": 1, \"batch\": {\"max_events\": 99999999999999999999999}}",
        "{\"contract\": 1, \"batch\": [10]}}",
        "{\"contract\": 1, \"batch\": {\"max_events\": 0}}",
        &deep,
    ] {
        let bytes = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let url = serve(vec![Reply::Once(bytes.into_bytes())]).await;
        let offered = Handler::new(&url, Duration::from_secs(20)).unwrap().capabilities().await;
        assert_eq!(offered, Some(Capabilities::default()), "{}", &body[..body.len().min(99)]);
    }
    let url = serve(vec![Reply::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), b"[".to_vec())]).await;
    let offered = Handler::new(&url, Duration::from_secs(20)).unwrap().capabilities().await;
    assert_eq!(offered, Some(Capabilities::default()));
}
