//! Calls and answers as they travel.

use axum::http::StatusCode;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::event::Call;
use crate::handlers::Handlers;
use crate::payload::read;

/// The version of the contract between worker and handler.
const CONTRACT: u32 = 1;

/// A request that is refused as a whole: its status, and why.
pub(crate) type Refused = (StatusCode, String);

/// The call of one event; its trace context travels as a header.
pub(crate) fn read_call(body: &[u8], traceparent: Option<&str>) -> Result<Call, Refused> {
    let call =
        read_checked(text(body)?).map_err(|why| malformed(&format!("this is no call of a worker: {why}")))?;
    Ok(Call { traceparent: traceparent.map(str::to_owned), ..call })
}

/// The calls of a batch, in order.
pub(crate) fn read_batch(body: &[u8], most: usize) -> Result<Vec<Call>, Refused> {
    let wrong = |why: String| malformed(&format!("this is no batch of a worker: {why}"));
    let calls: Vec<&RawValue> =
        serde_json::from_slice(body).map_err(|_| wrong("it must be an array of calls".to_owned()))?;
    if calls.is_empty() || calls.len() > most {
        return Err(wrong(format!("it has {} events; 1 to {most} are taken", calls.len())));
    }
    let calls = calls.iter().enumerate();
    calls
        .map(|(place, call)| read_checked(call.get()).map_err(|why| wrong(format!("[{place}]: {why}"))))
        .collect()
}

fn text(body: &[u8]) -> Result<&str, Refused> {
    std::str::from_utf8(body).map_err(|_| malformed("this is no call of a worker: it is not UTF-8"))
}

fn malformed(why: &str) -> Refused {
    (StatusCode::BAD_REQUEST, why.to_owned())
}

fn read_checked(text: &str) -> Result<Call, String> {
    let call: Call = read(text)?;
    flaw(&call).map_or(Ok(call), |flaw| Err(flaw.to_owned()))
}

/// What no type says.
fn flaw(call: &Call) -> Option<&'static str> {
    let texts = [Some(&call.subject), Some(&call.event_type), Some(&call.consumer)];
    let mut texts =
        texts.into_iter().chain([call.aggregate_type.as_ref(), call.aggregate_id.as_ref()]).flatten();
    // It ends a text on its way to the database.
    if texts.any(|text| text.contains('\0')) {
        return Some("a text holds a null character");
    }
    if call.event_version < 0 {
        return Some("event_version: must be 0 or more");
    }
    if call.attempt < 1 {
        return Some("attempt: must be 1 or more");
    }
    (call.fence < 0).then_some("fence: must be 0 or more")
}

/// The answers of a batch.
pub(crate) fn written(answers: &[Answer]) -> Value {
    let written = |answer: &Answer| {
        let retry_after = answer.retry_after.map(|wait| wait.as_secs());
        json!({"status": answer.status, "why": answer.why, "retry_after": retry_after})
    };
    answers.iter().map(written).collect()
}

/// What a worker may do with these handlers.
pub(crate) fn capabilities(handlers: &Handlers, batch: Option<usize>) -> Value {
    let event = |(name, version)| json!({"event_type": name, "event_version": version});
    let events: Vec<Value> = handlers.events().map(event).collect();
    json!({"contract": CONTRACT, "batch": batch.map(|most| json!({"max_events": most})), "events": events})
}
