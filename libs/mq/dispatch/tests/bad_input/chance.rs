//! Answers that were whole once, and were damaged by chance on the way.

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::Index;
use sea_mq_dispatch::{Answer, Capabilities, Handler, batch_outcome, outcome};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::server::{Reply, serve};
use crate::{config, is_stated, is_stated_for_each};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

const WHOLE: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ndone\r\n3\r\n...\r\n0\r\nX: y\r\n\r\n",
    b"HTTP/1.1 503 Later\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 429 Many\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 422 No\r\nContent-Length: 2\r\n\r\nno",
    b"HTTP/1.1 200 OK\r\nContent-Length: 53\r\n\r\n[{\"status\":200},{\"status\":422,\"why\":\"no\"},{\"status\":9}]",
    b"HTTP/1.1 200 OK\r\nContent-Length: 45\r\n\r\n{\"contract\": 1, \"batch\": {\"max_events\": 100}}",
];

const ODD: &[&[u8]] = &[b"\r\n", b"\n", b"\0", b" ", b":", b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"];

/// One kind of damage.
#[derive(Clone, Debug)]
enum Damage {
    CutOff(Index),
    Replaced(Index, u8),
    Inserted(Index, Vec<u8>),
    Removed(Index, Index),
    Repeated(Index, Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let odd = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..4),
        prop::sample::select(ODD).prop_map(<[u8]>::to_vec),
    ];
    let at = any::<Index>;
    prop_oneof![
        at().prop_map(Damage::CutOff),
        (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Replaced(at, byte)),
        (at(), odd).prop_map(|(at, bytes)| Damage::Inserted(at, bytes)),
        (at(), at()).prop_map(|(from, to)| Damage::Removed(from, to)),
        (at(), at()).prop_map(|(from, to)| Damage::Repeated(from, to)),
    ]
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let place = |at: &Index| at.index(bytes.len() + 1);
        let part = |from: &Index, to: &Index| place(from).min(place(to))..place(from).max(place(to));
        match self {
            Self::CutOff(at) => bytes.truncate(place(at)),
            Self::Replaced(at, byte) => {
                let at = place(at);
                bytes.splice(at..(at + 1).min(bytes.len()), [*byte]);
            }
            Self::Inserted(at, odd) => {
                let at = place(at);
                bytes.splice(at..at, odd.iter().copied());
            }
            Self::Removed(from, to) => drop(bytes.drain(part(from, to))),
            Self::Repeated(from, to) => {
                let part = part(from, to);
                let copy = bytes[part.clone()].to_vec();
                bytes.splice(part.end..part.end, copy);
            }
        }
    }
}

fn damaged() -> impl Strategy<Value = Vec<u8>> {
    (prop::sample::select(WHOLE), prop::collection::vec(damage(), 0..4)).prop_map(|(whole, damages)| {
        let mut bytes = whole.to_vec();
        damages.iter().for_each(|damage| damage.apply(&mut bytes));
        bytes
    })
}

/// The answers to a single call, to a batch and to the question for capabilities.
async fn ask(bytes: Vec<u8>) -> (Answer, Answer, Option<Capabilities>) {
    let replies = (0..3).map(|_| Reply::Once(bytes.clone())).collect();
    let handler = Handler::new(&serve(replies).await, Duration::from_secs(20)).unwrap();
    let body = || Bytes::from_static(b"{}");
    let single = handler.call(Uuid::nil(), body(), Some("00-ab-cd-01")).await;
    let batch = handler.call_batch(Uuid::nil(), body(), 3).await;
    let offered = handler.capabilities().await;
    (single, batch, offered)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_comes_is_an_answer(bytes in damaged()) {
        let (single, batch, offered) = RUNTIME.block_on(ask(bytes));
        for answer in [&single, &batch] {
            prop_assert!(!matches!(answer, Answer::TimedOut(_) | Answer::NeverConnected(_)), "{answer:?}");
            prop_assert!(is_stated(&outcome(answer)), "{answer:?}");
            prop_assert!(is_stated_for_each(&batch_outcome(answer, 3), 3), "{answer:?}");
        }
        prop_assert!(offered.is_none_or(|offered| offered.batch.is_none_or(|most| (2..=1000).contains(&most))));
    }
}
