//! What bodies, statuses and headers mean that nobody should send: pure.

use std::time::Duration;

use proptest::prelude::*;
use sea_mq_dispatch::{
    Answer, Backoff, BatchOutcome, Call, Capabilities, Handler, Outcome, Policy, Settlement, batch_outcome,
    batched_body, lost_attempt, outcome, request_body, settlement,
};
use uuid::Uuid;

use crate::{config, is_printable, is_stated, is_stated_for_each};

/// Bodies of an answer to a batch of three.
const BODIES: &[&str] = &[
    "",
    "null",
    "[]",
    "{}",
    "[{\"status\":200}]",
    "[{\"status\":200},{\"status\":200},{\"status\":200},{\"status\":200}]",
    "[{\"status\":200},{\"status\":200},{\"status\":200}",
    "[{\"status\":200},{\"status\":200},{\"status\":200}] []",
    "[200,200,200]",
    "[null,[],\"\"]",
    "[{},{},{}]",
    "[{\"status\":\"200\"},{\"status\":200.0},{\"status\":2e2}]",
    "[{\"status\":-200},{\"status\":65536},{\"status\":99999999999999999999999}]",
    "[{\"status\":200,\"status\":422},{\"status\":null},{\"Status\":200}]",
    "[{\"status\":503,\"retry_after\":1e308},{\"status\":503,\"retry_after\":-0.0},{\"status\":503,\"retry_after\":1e-300}]",
    "[{\"status\":503,\"retry_after\":\"7\"},{\"status\":503,\"retry_after\":[7]},{\"status\":429,\"retry_after\":1e999}]",
    "[{\"status\":422,\"why\":\"\\u0000\\u001b[2J\\r\\n\"},{\"status\":422,\"why\":\"\\ud800\"},{\"status\":422,\"why\":{}}]",
];

fn said(code: u16, body: &str) -> Answer {
    Answer::Status { code, retry_after: None, body: body.to_owned() }
}

#[test]
fn no_such_body_says_more_than_one_thing_of_an_event() {
    for body in BODIES {
        for code in [200, 201, 409, 422, 503] {
            let outcome = batch_outcome(&said(code, body), 3);
            assert!(is_stated_for_each(&outcome, 3), "{code} {body}: {outcome:?}");
        }
    }
}

/// The reader of JSON repeats what it did not expect.
#[test]
fn a_long_body_makes_no_long_error() {
    let long = "\u{7}é".repeat(300_000);
    let text = serde_json::Value::String(long.clone()).to_string();
    for body in [
        text.clone(),
        format!("[{text},{text},{text}]"),
        format!(
            "[{{\"status\":{text}}},{{\"status\":422,\"why\":{text}}},{{\"status\":500,\"why\":[{text}]}}]"
        ),
        format!(
            "[{{{text}:1}},{{\"status\":503,\"retry_after\":{text}}},{{\"status\":{}}}]",
            "9".repeat(300_000)
        ),
        "[".repeat(600_000),
        format!("[{}1{},1,1]", "[".repeat(300_000), "]".repeat(300_000)),
    ] {
        let outcome = batch_outcome(&said(200, &body), 3);
        assert!(is_stated_for_each(&outcome, 3), "{}: {outcome:.400?}", &body[..60]);
    }
    for code in [400, 404, 422, 500] {
        assert!(is_stated(&outcome(&said(code, &long))), "{code}");
        assert!(is_stated_for_each(&batch_outcome(&said(code, &long), 3), 3), "{code}");
    }
    let cut = Answer::CutOff(long);
    assert!(is_stated(&outcome(&cut)) && is_stated_for_each(&batch_outcome(&cut, 3), 3));
}

/// A value of JSON in which numbers and texts may be anything.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "[-+0-9.eE]{1,30}",
        "\\PC{0,30}".prop_map(|text| serde_json::Value::String(text).to_string()),
        prop::sample::select(&[
            "null",
            "true",
            "200",
            "409",
            "422",
            "503",
            "\"\\ud800\"",
            "\"\\u0000\"",
            "{",
            "]"
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let name = prop_oneof![
            prop::sample::select(&["status", "why", "retry_after", "contract", "batch", "max_events"])
                .prop_map(str::to_owned),
            "[a-z]{0,3}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((name, inner), 0..4).prop_map(|pairs| {
                let pairs: Vec<String> =
                    pairs.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", pairs.join(","))
            }),
        ]
    })
}

/// Headers as they may arrive.
fn headers() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![
        prop::sample::select(&[
            "X-Event-Type",
            "x-event-version",
            "X-Occurred-At",
            "X-CORRELATION-ID",
            "X-Causation-Id",
            "X-Aggregate-Type",
            "X-Aggregate-Id",
            "traceparent",
            "",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    let value = prop_oneof![any::<String>(), "[-+0-9]{0,12}", Just("\"},\"fence\":0,{\"".to_owned())];
    prop::collection::vec((name, value), 0..8)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_status_and_body_has_a_stated_meaning(
        code: u16, body in prop_oneof![any::<String>(), json()], after: Option<u64>, events in 0..5_usize,
    ) {
        let retry_after = after.map(|seconds| Duration::from_secs(seconds % 86_401));
        let answer = Answer::Status { code, retry_after, body };
        let meant = outcome(&answer);
        prop_assert!(is_stated(&meant), "{meant:?}");
        let batch = batch_outcome(&answer, events);
        prop_assert!(is_stated_for_each(&batch, events), "{batch:?}");
        // What settles a single event settles a batch only event by event.
        prop_assert!(!matches!(batch, BatchOutcome::Whole(Outcome::Processed | Outcome::Poison(_))));
        if let Some(Capabilities { batch: Some(most) }) = Capabilities::read(&answer) {
            prop_assert!((2..=1000).contains(&most));
        }
    }

    #[test]
    fn a_batch_s_answer_is_read_outcome_by_outcome(outcomes in prop::collection::vec(json(), 0..4)) {
        let body = format!("[{}]", outcomes.join(","));
        let batch = batch_outcome(&said(200, &body), outcomes.len());
        prop_assert!(is_stated_for_each(&batch, outcomes.len()), "{body}: {batch:?}");
    }

    #[test]
    fn any_outcome_is_settled_within_bounds(
        error in any::<String>(), kind in 0..4, wait: Option<u32>, attempts: i32,
        max_deliver in 1..1_000_000_i32, base in 1..3_600_000_u64, cap in 1..86_400_u64, jitter in 0.0..1.0_f64,
    ) {
        let backoff = Backoff { base: Duration::from_millis(base), cap: Duration::from_secs(cap) };
        let policy = Policy { max_deliver, backoff };
        let wait = wait.map(|seconds| Duration::from_secs(u64::from(seconds) % 86_401));
        let came = match kind {
            0 => Outcome::Processed,
            1 => Outcome::Poison(error),
            2 => Outcome::NotReached(error),
            _transient => Outcome::Transient { error, wait, suspect: false },
        };
        for settled in [settlement(came, attempts, &policy, jitter), lost_attempt(attempts, &policy, jitter)] {
            match settled {
                Settlement::Retry { delay, .. } => prop_assert!(delay <= Duration::from_hours(24)),
                Settlement::GiveUp { reason, .. } => prop_assert!(matches!(reason, "poison" | "max_deliver")),
                Settlement::Processed | Settlement::GiveBack { .. } => {}
            }
        }
    }

    #[test]
    fn a_request_says_the_message_s_own_id_and_fence_whatever_its_headers_are(
        id: u128, subject in any::<String>(), headers in headers(), payload in json(), attempt: i32, fence: i64,
    ) {
        let message_id = Uuid::from_u128(id);
        let call = Call {
            message_id, subject: &subject, headers: &headers, payload: payload.as_bytes(), consumer: "c", attempt, fence,
        };
        let is_json = serde_json::from_slice::<&serde_json::value::RawValue>(payload.as_bytes()).is_ok();
        for body in [request_body(&call), batched_body(&call)] {
            prop_assert_eq!(body.is_ok(), is_json);
            let Ok(body) = body else { continue };
            let text = std::str::from_utf8(&body).unwrap();
            prop_assert!(text.ends_with(&format!("\"payload\":{}}}", payload.trim_matches([' ', '\t', '\r', '\n']))), "{text}");
            let said: Request<'_> = serde_json::from_str(text).unwrap();
            prop_assert_eq!((said.message_id, said.attempt, said.fence), (message_id, attempt, fence));
            prop_assert_eq!(said.subject, subject.as_str());
        }
    }

    #[test]
    fn an_error_is_printable_whatever_was_said(text in any::<String>()) {
        let Outcome::Transient { error, .. } = outcome(&Answer::CutOff(text)) else { panic!("transient") };
        prop_assert!(is_printable(&error), "{error:?}");
    }

    #[test]
    fn any_text_is_a_url_of_a_handler_or_is_refused(
        text in prop_oneof![any::<String>(), "(http|https|ftp)?:?//?[a-z0-9.:@\\[\\]%/?#&= -]{0,40}"],
    ) {
        match Handler::new(&text, Duration::from_secs(1)) {
            Ok(handler) => prop_assert!(!handler.authority().is_empty()),
            Err(refused) => prop_assert!(refused.to_string().contains("is not a handler URL")),
        }
    }
}

/// A request as strictly read as a handler may read it.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Request<'a> {
    message_id: Uuid,
    subject: String,
    event_type: String,
    event_version: i32,
    occurred_at: Option<String>,
    correlation_id: Uuid,
    causation_id: Option<Uuid>,
    aggregate_type: Option<String>,
    aggregate_id: Option<String>,
    consumer: String,
    attempt: i32,
    fence: i64,
    traceparent: Option<String>,
    #[serde(borrow)]
    payload: &'a serde_json::value::RawValue,
}
