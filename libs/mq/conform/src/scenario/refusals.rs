//! Calls that must not take effect.

use serde_json::{Value, json};

use super::Outcome;
use crate::http::Place;
use crate::probe::{MARKER, Probe};
use crate::verdict::{After, Status, Verdict, of_answer, told};

/// An event type that no handler knows.
pub(crate) const NO_SUCH_EVENT: &str = "conform_no_such_event";

pub(crate) async fn unknown_message(probe: &Probe) -> Outcome {
    let message = probe.unrecorded()?;
    let came = probe.call(&message).await;
    Ok(Verdict::of(&probe.judge(&message, &came, Status::Later, After::Untouched).await?))
}

pub(crate) async fn unknown_event(probe: &Probe) -> Outcome {
    let message = probe.message_of(&unknown_subject(probe), &probe.payload).await?;
    let came = probe.call(&message).await;
    Ok(Verdict::of(&probe.judge(&message, &came, Status::NotHandled, After::Untouched).await?))
}

/// Of the same context.
pub(crate) fn unknown_subject(probe: &Probe) -> String {
    let context = probe.subject.split('.').next().unwrap_or_default();
    format!("{context}.event.{NO_SUCH_EVENT}.v1")
}

pub(crate) async fn invalid(probe: &Probe) -> Outcome {
    let Some(payload) = &probe.invalid else { return Ok(no_invalid()) };
    let message = probe.message_of(&probe.subject, payload).await?;
    let came = probe.call(&message).await;
    Ok(Verdict::of(&probe.judge(&message, &came, Status::Poison, After::Untouched).await?))
}

pub(crate) async fn discreet(probe: &Probe) -> Outcome {
    let Some(payload) = &probe.invalid else { return Ok(no_invalid()) };
    if !payload.fill(MARKER).to_string().contains(MARKER) {
        let why = "the invalid payload has no text with {marker} in it to look for";
        return Ok(Verdict::NotApplicable(why.to_owned()));
    }
    let message = probe.message_of(&probe.subject, payload).await?;
    let came = probe.call(&message).await;
    let shows = came.as_ref().is_ok_and(|answer| answer.body.contains(MARKER));
    Ok(Verdict::passed_if(!shows, || format!("the answer shows a value of the payload: {}", told(&came))))
}

fn no_invalid() -> Verdict {
    Verdict::NotApplicable(
        "there is no payload that the handler refuses; give one as --invalid-payload".to_owned(),
    )
}

pub(crate) async fn malformed(probe: &Probe) -> Outcome {
    let message = probe.message().await?;
    let call: Value = serde_json::from_slice(&message.body()).unwrap_or_default();
    let mut complaints = Vec::new();
    // A handler that does not join the inbox has no use for most fields.
    let most = if probe.measure.marks { usize::MAX } else { NO_OBJECTS };
    for (what, body) in none_of_them_a_call(&call).into_iter().take(most) {
        let came = probe.post(Place::Call, body).await;
        complaints.extend(of_answer(Status::BadCall, &came).map(|it| format!("{what}: {it}")));
    }
    complaints.extend(probe.judge_message(&message, After::Untouched).await?);
    Ok(Verdict::of(&complaints))
}

/// So many of these are no call to anybody.
const NO_OBJECTS: usize = 2;

/// What is sent instead of a call, and what it is.
fn none_of_them_a_call(call: &Value) -> Vec<(String, String)> {
    let mut bodies = vec![
        ("not JSON".to_owned(), "{".to_owned()),
        ("an array".to_owned(), "[]".to_owned()),
        ("an empty object".to_owned(), "{}".to_owned()),
    ];
    for field in ["message_id", "event_type", "consumer", "fence", "payload"] {
        let mut less = call.clone();
        less.as_object_mut().map(|fields| fields.remove(field));
        bodies.push((format!("without {field}"), less.to_string()));
    }
    for (field, value) in [("message_id", json!("none")), ("fence", json!("one"))] {
        let mut other = call.clone();
        other[field] = value;
        bodies.push((format!("with a {field} that is none"), other.to_string()));
    }
    bodies
}
