//! Several events in one call, for a handler that offers it: pure.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::answer::{Answer, Outcome, outcome, printable};

/// The version of the handler contract that is spoken here.
const CONTRACT: u32 = 1;
/// Events of a call at most. More make it no cheaper for each, and its answer longer in coming.
pub const MOST_EVENTS: usize = 1000;
/// As of a single answer.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// What a handler offers beyond single calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Events that it takes in one call.
    pub batch: Option<usize>,
}

/// What the answer to a batch means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchOutcome {
    /// For each event, in the batch's order.
    Each(Vec<Outcome>),
    /// The same for all of them, since it befell the call and not an event.
    Whole(Outcome),
    /// None of its events was looked at: each is to be called for by itself.
    Singly {
        /// What the handler said.
        why: String,
    },
}

#[derive(Deserialize)]
struct SaidCapabilities {
    contract: u32,
    batch: Option<SaidBatch>,
}

#[derive(Deserialize)]
struct SaidBatch {
    max_events: usize,
}

/// Read one by one, and leniently: what is odd about one must not undo what the others say.
#[derive(Deserialize)]
struct SaidOutcome {
    status: u16,
    why: Option<Value>,
    retry_after: Option<Value>,
}

impl Capabilities {
    /// Reads a handler's answer to `GET {HANDLER_URL}/capabilities`. A success that is not understood, and
    /// a page that is not there, offer nothing; whatever else says nothing.
    #[must_use]
    pub fn read(answer: &Answer) -> Option<Self> {
        match answer {
            Answer::Status { code: 200..=299, body, .. } => Some(Self::offered(body)),
            Answer::Status { code: 404 | 405 | 410 | 501, .. } => Some(Self::default()),
            Answer::Status { .. } | Answer::NeverConnected(_) | Answer::TimedOut(_) | Answer::CutOff(_) => {
                None
            }
        }
    }

    fn offered(body: &str) -> Self {
        let said = serde_json::from_str::<SaidCapabilities>(body);
        let batch = said.ok().filter(|said| said.contract == CONTRACT).and_then(|said| said.batch);
        Self { batch: batch.map(|batch| batch.max_events.min(MOST_EVENTS)).filter(|most| *most > 1) }
    }
}

/// The JSON array of `POST {HANDLER_URL}/batch`, of bodies made by [`crate::batched_body`].
#[must_use]
pub fn batch_body(events: &[Bytes]) -> Bytes {
    let mut body = BytesMut::with_capacity(events.iter().map(|event| event.len() + 1).sum::<usize>() + 1);
    for (n, event) in events.iter().enumerate() {
        body.put_u8(if n == 0 { b'[' } else { b',' });
        body.put_slice(event);
    }
    body.put_u8(b']');
    body.freeze()
}

/// What the answer to a batch of so many events means. Only an array of outcomes settles any of them.
#[must_use]
pub fn batch_outcome(answer: &Answer, events: usize) -> BatchOutcome {
    match answer {
        Answer::Status { code: 200, body, .. } => match outcomes(body, events) {
            Ok(outcomes) => BatchOutcome::Each(outcomes),
            Err(why) => BatchOutcome::Whole(transient(&why)),
        },
        // No batches any more; or too large, or one of its calls is none: the others must not suffer for it.
        Answer::Status { code: 400 | 404 | 405 | 413 | 501, .. } => {
            BatchOutcome::Singly { why: said(answer) }
        }
        // What would settle an event settles none here.
        Answer::Status { code: 201..=299 | 409 | 422, .. } => {
            BatchOutcome::Whole(transient(&format!("of a whole batch: {}", said(answer))))
        }
        Answer::Status { .. } | Answer::NeverConnected(_) | Answer::TimedOut(_) | Answer::CutOff(_) => {
            BatchOutcome::Whole(outcome(answer))
        }
    }
}

fn outcomes(body: &str, events: usize) -> Result<Vec<Outcome>, String> {
    let said: Vec<&RawValue> = serde_json::from_str(body)
        .map_err(|error| format!("the answer to a batch is no array of outcomes: {error}"))?;
    if said.len() != events {
        return Err(format!("{} outcomes for a batch of {events} events", said.len()));
    }
    Ok(said.into_iter().map(|said| read_outcome(said.get())).collect())
}

fn read_outcome(text: &str) -> Outcome {
    match serde_json::from_str::<SaidOutcome>(text) {
        Ok(SaidOutcome { status, why, retry_after }) => outcome(&Answer::Status {
            code: status,
            retry_after: retry_after.as_ref().and_then(seconds),
            body: why
                .map(|why| why.as_str().map_or_else(|| why.to_string(), str::to_owned))
                .unwrap_or_default(),
        }),
        Err(error) => transient(&format!("no outcome in the answer to a batch: {error}")),
    }
}

/// A fraction is rounded up; what is no time is not there.
fn seconds(said: &Value) -> Option<Duration> {
    let seconds = said.as_f64().filter(|seconds| seconds.is_finite() && *seconds >= 0.0)?;
    Some(Duration::from_secs_f64(seconds.ceil().min(LONGEST_WAIT.as_secs_f64())))
}

fn said(answer: &Answer) -> String {
    match answer {
        Answer::Status { code, body, .. } => {
            format!("handler answered {code}: {}", printable(body))
        }
        Answer::NeverConnected(why) | Answer::CutOff(why) => printable(why),
        Answer::TimedOut(limit) => format!("no answer within {} s", limit.as_secs_f32()),
    }
}

/// The reader of JSON repeats what it did not expect, and that may be long.
fn transient(error: &str) -> Outcome {
    Outcome::Transient { error: printable(error), wait: None, suspect: false }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use bytes::Bytes;

    use super::{BatchOutcome, Capabilities, batch_body, batch_outcome};
    use crate::answer::{Answer, Outcome};

    fn status(code: u16, body: &str) -> Answer {
        Answer::Status { code, retry_after: None, body: body.to_owned() }
    }

    fn offered(body: &str) -> Option<usize> {
        Capabilities::read(&status(200, body)).unwrap().batch
    }

    #[test]
    fn what_a_handler_offers() {
        assert_eq!(offered(r#"{"contract": 1, "batch": {"max_events": 100}, "more": []}"#), Some(100));
        assert_eq!(offered(r#"{"contract": 1, "batch": {"max_events": 100000}}"#), Some(1000));
        for nothing in [
            "",
            "[]",
            r#"{"contract": 1}"#,
            r#"{"contract": 1, "batch": null}"#,
            r#"{"contract": 1, "batch": {"max_events": 1}}"#,
            r#"{"contract": 1, "batch": {"max_events": -1}}"#,
            r#"{"contract": 2, "batch": {"max_events": 100}}"#,
            r#"{"batch": {"max_events": 100}}"#,
        ] {
            assert_eq!(offered(nothing), None, "{nothing}");
        }
        for without in [404, 405, 410, 501] {
            assert_eq!(Capabilities::read(&status(without, "")), Some(Capabilities::default()));
        }
        for unclear in [302, 401, 403, 429, 500, 503] {
            assert_eq!(Capabilities::read(&status(unclear, r#"{"contract": 1}"#)), None);
        }
        assert_eq!(Capabilities::read(&Answer::NeverConnected(String::new())), None);
    }

    #[test]
    fn a_batch_is_an_array_of_calls() {
        let events = [Bytes::from_static(b"{\"n\":1.50}"), Bytes::from_static(b"{}")];
        assert_eq!(batch_body(&events), Bytes::from_static(b"[{\"n\":1.50},{}]"));
        assert_eq!(batch_body(&events[..1]), Bytes::from_static(b"[{\"n\":1.50}]"));
    }

    #[test]
    fn each_event_has_its_outcome() {
        let body = r#"[{"status": 200, "why": "processed", "retry_after": null}, {"status": 409},
                       {"status": 422, "why": "no"}, {"status": 503, "why": "later", "retry_after": 7}]"#;
        let BatchOutcome::Each(outcomes) = batch_outcome(&status(200, body), 4) else { panic!("singly") };
        assert_eq!(outcomes[..2], [Outcome::Processed, Outcome::Processed]);
        assert!(matches!(&outcomes[2], Outcome::Poison(why) if why.contains("no")));
        let wait = Some(Duration::from_secs(7));
        assert!(matches!(&outcomes[3], Outcome::Transient { wait: w, suspect: false, .. } if *w == wait));
    }

    #[test]
    fn an_odd_outcome_undoes_no_other() {
        let body = r#"[{"status": 200, "why": null}, {"status": 503, "retry_after": 1.2, "why": ["later"]},
                       {"status": 503, "retry_after": -1}, {"status": 70000}, 200, {"status": 409}]"#;
        let BatchOutcome::Each(outcomes) = batch_outcome(&status(200, body), 6) else { panic!("whole") };
        let wait = |it: &Outcome| match it {
            Outcome::Transient { wait, .. } => *wait,
            Outcome::Processed | Outcome::Poison(_) | Outcome::NotReached(_) => panic!("{it:?}"),
        };
        assert_eq!((&outcomes[0], &outcomes[5]), (&Outcome::Processed, &Outcome::Processed));
        assert_eq!(wait(&outcomes[1]), Some(Duration::from_secs(2)));
        assert_eq!([2, 3, 4].map(|n| wait(&outcomes[n])), [None, None, None]);
    }

    #[test]
    fn nothing_but_outcomes_settles_an_event() {
        let one = r#"[{"status": 200}]"#;
        for (code, body) in [(200, one), (200, "ok"), (204, ""), (409, ""), (422, "no"), (500, "")] {
            let got = batch_outcome(&status(code, body), 2);
            assert!(
                matches!(&got, BatchOutcome::Whole(Outcome::Transient { suspect: false, .. })),
                "{code} {body}: {got:?}"
            );
        }
        for code in [400, 404, 405, 413, 501] {
            assert!(matches!(batch_outcome(&status(code, ""), 2), BatchOutcome::Singly { .. }), "{code}");
        }
    }

    #[test]
    fn what_is_no_answer_is_none_for_each() {
        let whole = |answer| match batch_outcome(&answer, 3) {
            BatchOutcome::Whole(outcome) => outcome,
            other @ (BatchOutcome::Each(_) | BatchOutcome::Singly { .. }) => panic!("{other:?}"),
        };
        let cut = whole(Answer::CutOff("reset".to_owned()));
        assert!(matches!(cut, Outcome::Transient { suspect: true, .. }));
        assert!(matches!(whole(Answer::NeverConnected("refused".to_owned())), Outcome::NotReached(_)));
        let late = whole(Answer::TimedOut(Duration::from_secs(30)));
        assert!(matches!(late, Outcome::Transient { suspect: false, .. }));
    }

    proptest::proptest! {
        #[test]
        fn every_answer_has_an_outcome_for_each(code: u16, body in "\\PC{0,60}", events in 1_usize..5) {
            if let BatchOutcome::Each(outcomes) = batch_outcome(&status(code, &body), events) {
                proptest::prop_assert_eq!(outcomes.len(), events);
            }
        }
    }
}
