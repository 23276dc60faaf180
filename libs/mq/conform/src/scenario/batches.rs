//! Several events in one call.

use bytes::Bytes;
use futures::future::join;
use sea_mq_dispatch::{Answer as Heard, BatchOutcome, Outcome as Meant, batch_body, batch_outcome};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Outcome;
use super::attempts::one_success;
use super::refusals::unknown_subject;
use crate::ConformError;
use crate::http::Place;
use crate::message::Message;
use crate::probe::Probe;
use crate::verdict::{After, Answer, Came, Status, Verdict, of_answer, told};

/// Events of a batch that is to be processed.
const EVENTS: usize = 5;

/// A worker sends no more, whatever a handler takes.
const MOST_EVENTS: usize = 1000;

/// Of an answer to so many events a worker reads no more.
const fn longest(events: usize) -> usize {
    (64 + 4 * events) * 1024
}

/// What is expected of one event of a batch.
type Due<'a> = (&'a Message, Status, After);

async fn send(probe: &Probe, messages: &[&Message]) -> Came {
    let events: Vec<Bytes> = messages.iter().map(|message| message.batched()).collect();
    probe.post(Place::Batch, batch_body(&events)).await
}

/// The answer of each event, as a worker understands them; what is wrong when these are none.
fn items(came: &Came, events: usize) -> Result<Vec<Came>, String> {
    let wanted = format!("instead of 200 and an array of {events} answers");
    let answer = came.as_ref().map_err(|_| format!("{} {wanted}", told(came)))?;
    let limit = longest(events);
    if answer.body.len() > limit {
        return Err(format!("an answer of {} bytes, of which a worker reads {limit}", answer.body.len()));
    }
    let heard = Heard::Status { code: answer.code, retry_after: None, body: answer.body.clone() };
    match batch_outcome(&heard, events) {
        BatchOutcome::Each(meant) => {
            let said: Vec<&RawValue> = serde_json::from_str(&answer.body).unwrap_or_default();
            Ok(said
                .into_iter()
                .map(RawValue::get)
                .zip(meant)
                .map(|(said, meant)| item(said, meant))
                .collect())
        }
        BatchOutcome::Whole(Meant::Transient { error, .. }) if answer.code == 200 => {
            Err(format!("{}: {error}; {wanted}", told(came)))
        }
        BatchOutcome::Whole(_) | BatchOutcome::Singly { .. } => Err(format!("{} {wanted}", told(came))),
    }
}

/// One entry, when a worker takes it for what it says.
fn item(said: &str, meant: Meant) -> Came {
    let said = serde_json::from_str::<Value>(said).unwrap_or_default();
    let code = said["status"].as_u64().and_then(|code| u16::try_from(code).ok());
    let fits = |code: &u16| match &meant {
        Meant::Processed => matches!(code, 200..=299 | 409),
        Meant::Poison(_) => *code == 422,
        Meant::Transient { .. } | Meant::NotReached(_) => !matches!(code, 200..=299 | 409 | 422),
    };
    match (code.filter(fits), meant) {
        (Some(code), _) => {
            let body = said["why"].as_str().unwrap_or_default().to_owned();
            Ok(Answer { code, body, closes: false })
        }
        (None, Meant::Transient { error, .. } | Meant::Poison(error) | Meant::NotReached(error)) => {
            Err(error)
        }
        (None, Meant::Processed) => Err("an entry that is unclear".to_owned()),
    }
}

/// The same of a batch that may fail as a whole: then it is the answer of each.
fn items_or_failure(came: &Came, events: usize) -> Result<Vec<Came>, String> {
    match came {
        Ok(answer) if (500..600).contains(&answer.code) => Ok(vec![came.clone(); events]),
        Ok(_) | Err(_) => items(came, events),
    }
}

/// Complaints about a batch of these, in this order.
async fn judged(probe: &Probe, due: &[Due<'_>], came: &Came) -> Result<Vec<String>, ConformError> {
    let answers = match items(came, due.len()) {
        Ok(answers) => answers,
        Err(complaint) => return Ok(vec![complaint]),
    };
    let mut complaints = Vec::new();
    for (place, ((message, status, after), answer)) in due.iter().zip(&answers).enumerate() {
        let wrong = probe.judge(message, answer, *status, *after).await?;
        complaints.extend(wrong.into_iter().map(|it| format!("event {} of {}: {it}", place + 1, due.len())));
    }
    Ok(complaints)
}

async fn sent(probe: &Probe, due: &[Due<'_>]) -> Result<Vec<String>, ConformError> {
    let messages: Vec<&Message> = due.iter().map(|(message, _, _)| *message).collect();
    judged(probe, due, &send(probe, &messages).await).await
}

fn all(messages: &[Message], status: Status) -> Vec<Due<'_>> {
    messages.iter().map(|message| (message, status, After::Processed)).collect()
}

pub(crate) async fn processed(probe: &Probe, most: usize) -> Outcome {
    let messages = probe.messages(most.min(EVENTS)).await?;
    Ok(Verdict::of(&sent(probe, &all(&messages, Status::Success)).await?))
}

pub(crate) async fn repeated(probe: &Probe, most: usize) -> Outcome {
    let messages = probe.messages(most.min(EVENTS)).await?;
    let first: Vec<&Message> = messages.iter().collect();
    drop(send(probe, &first).await);
    Ok(Verdict::of(&sent(probe, &all(&messages, Status::Done)).await?))
}

/// Both batches have begun before either can mark its first event, in the batch's order and in that of
/// the ids, in which a handler may mark them.
pub(crate) async fn at_once(probe: &Probe) -> Outcome {
    let mut messages = probe.messages(2).await?;
    messages.sort_by_key(|message| message.id);
    let of: Vec<&Message> = messages.iter().collect();
    let held = probe.database.hold(messages[0].id).await?;
    let calls = join(send(probe, &of), send(probe, &of));
    let ((one, other), reached) = probe.while_held(held, 2, calls, async |_| Ok(())).await?;
    let (one, other) = match (items_or_failure(&one, 2), items_or_failure(&other, 2)) {
        (Ok(one), Ok(other)) => (one, other),
        (Err(complaint), _) | (_, Err(complaint)) => return Ok(Verdict::Failed(complaint)),
    };
    let mut complaints = Vec::new();
    for (message, (one, other)) in messages.iter().zip(one.iter().zip(&other)) {
        complaints.extend(one_success(one, other));
        complaints.extend(probe.judge_message(message, After::Processed).await?);
    }
    Ok(Verdict::of(&complaints).if_reached(reached))
}

pub(crate) async fn overtaken(probe: &Probe) -> Outcome {
    let messages = probe.messages(2).await?;
    let (old, good) = (&messages[0], &messages[1]);
    let held = probe.database.hold(old.id).await?;
    let both = [old, good];
    let calls = send(probe, &both);
    let (came, reached) =
        probe.while_held(held, 1, calls, async |held| held.start_next(old.id).await).await?;
    let new = old.next();
    let due = [(&new, Status::Later, After::Untouched), (good, Status::Success, After::Processed)];
    Ok(Verdict::of(&judged(probe, &due, &came).await?).if_reached(reached))
}

/// A batch of something that does not go well, and of an event that does.
async fn beside(probe: &Probe, bad: &Message, status: Status, after: After) -> Outcome {
    let good = probe.message().await?;
    let due = [(bad, status, after), (&good, Status::Success, After::Processed)];
    Ok(Verdict::of(&sent(probe, &due).await?))
}

pub(crate) async fn invalid(probe: &Probe) -> Outcome {
    let Some(payload) = &probe.invalid else {
        return Ok(Verdict::NotApplicable("there is no payload that the handler refuses".to_owned()));
    };
    let bad = probe.message_of(&probe.subject, payload).await?;
    beside(probe, &bad, Status::Poison, After::Untouched).await
}

pub(crate) async fn done(probe: &Probe) -> Outcome {
    let done = probe.message().await?;
    drop(probe.call(&done).await);
    beside(probe, &done, Status::Done, After::Processed).await
}

pub(crate) async fn outdated(probe: &Probe) -> Outcome {
    let current = probe.recorded(probe.unrecorded()?.at(2)).await?;
    let (old, good) = (current.clone().at(1), probe.message().await?);
    let came = send(probe, &[&old, &good]).await;
    let due = [(&current, Status::Later, After::Untouched), (&good, Status::Success, After::Processed)];
    Ok(Verdict::of(&judged(probe, &due, &came).await?))
}

pub(crate) async fn unknown_message(probe: &Probe) -> Outcome {
    beside(probe, &probe.unrecorded()?, Status::Later, After::Untouched).await
}

pub(crate) async fn unknown_event(probe: &Probe) -> Outcome {
    let bad = probe.message_of(&unknown_subject(probe), &probe.payload).await?;
    beside(probe, &bad, Status::NotHandled, After::Untouched).await
}

pub(crate) async fn malformed_item(probe: &Probe) -> Outcome {
    let good = probe.message().await?;
    let body = batch_body(&[Bytes::from_static(br#"{"message_id": 1}"#), good.batched()]);
    let came = probe.post(Place::Batch, body).await;
    let whole = of_answer(Status::BadBatch, &came);
    let judged = match items(&came, 2) {
        Ok(items) => of_answer(Status::BadCall, &items[0]),
        Err(_) => whole,
    };
    let mut complaints: Vec<String> = judged.into_iter().collect();
    complaints.extend(probe.judge_message(&good, After::Either).await?);
    Ok(Verdict::of(&complaints))
}

pub(crate) async fn too_many(probe: &Probe, most: usize) -> Outcome {
    if most > MOST_EVENTS {
        return Ok(Verdict::NotApplicable(format!("a worker sends at most {MOST_EVENTS} events at once")));
    }
    let messages = probe.messages(most + 1).await?;
    let came = send(probe, &messages.iter().collect::<Vec<_>>()).await;
    let mut complaints: Vec<String> = of_answer(Status::BadBatch, &came).into_iter().collect();
    for message in messages.iter().take(1).chain(messages.last()) {
        complaints.extend(probe.judge_message(message, After::Untouched).await?);
    }
    Ok(Verdict::of(&complaints))
}

pub(crate) async fn no_batch(probe: &Probe) -> Outcome {
    let mut complaints = Vec::new();
    for body in ["[]", "{}", "["] {
        let came = probe.post(Place::Batch, body).await;
        complaints.extend(of_answer(Status::BadBatch, &came).map(|it| format!("`{body}`: {it}")));
    }
    Ok(Verdict::of(&complaints))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{items, items_or_failure};
    use crate::verdict::{Answer, Came};

    fn came(code: u16, body: &str) -> Came {
        Ok(Answer { code, body: body.to_owned(), closes: false })
    }

    fn codes(items: &[Came]) -> Vec<Option<u16>> {
        items.iter().map(|item| item.as_ref().ok().map(|answer| answer.code)).collect()
    }

    #[test]
    fn entries_are_read_as_a_worker_reads_them() {
        let body = r#"[{"status": 204, "why": 1}, {"status": 409, "retry_after": -1}, {"status": 422, "why": "no"},
                       {"status": 70000}, 200, {"status": "200"}, {"status": 422, "status": 200}]"#;
        let read = items(&came(200, body), 7).unwrap();
        assert_eq!(codes(&read), [Some(204), Some(409), Some(422), None, None, None, None]);
        for (code, body) in [(200, "[]"), (200, "{"), (201, "[200]"), (503, ""), (400, "")] {
            assert!(items(&came(code, body), 1).is_err(), "{code} {body}");
        }
        assert!(items(&Err("reset".to_owned()), 1).is_err());
    }

    #[test]
    fn an_answer_is_as_long_as_a_worker_reads() {
        let sized = |bytes: usize| {
            let why = "x".repeat(bytes - r#"[{"status":200,"why":""}]"#.len());
            came(200, &format!(r#"[{{"status":200,"why":"{why}"}}]"#))
        };
        assert!(items(&sized(68 * 1024), 1).is_ok());
        let long = items(&sized(68 * 1024 + 1), 1).unwrap_err();
        assert!(long.contains("a worker reads 69632"), "{long}");
    }

    #[test]
    fn a_batch_may_lose_as_a_whole() {
        assert_eq!(codes(&items_or_failure(&came(500, ""), 2).unwrap()), [Some(500); 2]);
        for code in [200, 409, 422] {
            assert!(items_or_failure(&came(code, ""), 2).is_err(), "{code}");
        }
    }
}
