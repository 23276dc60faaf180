//! Several attempts of one event.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use futures::future::join;

use super::Outcome;
use crate::ConformError;
use crate::database::Started;
use crate::message::Message;
use crate::probe::Probe;
use crate::verdict::{After, Came, Status, Verdict, told};

/// For a handler to learn that its caller is gone.
const HANG_UP_REACHES_IT: Duration = Duration::from_millis(300);
/// What asks for the row after its release may pass one that has waited, and is still asleep.
const ROW_REACHES_IT: Duration = Duration::from_millis(100);

pub(crate) async fn repeated(probe: &Probe) -> Outcome {
    let message = probe.message().await?;
    let first = probe.call(&message).await;
    let mut complaints = probe.judge(&message, &first, Status::Success, After::Processed).await?;
    let again = probe.call(&message).await;
    complaints.extend(probe.judge(&message, &again, Status::Done, After::Processed).await?);
    Ok(Verdict::of(&complaints))
}

/// Both have begun before either can mark: the row is held until both wait for it.
pub(crate) async fn at_once(probe: &Probe) -> Outcome {
    let message = probe.message().await?;
    let held = probe.database.hold(message.id).await?;
    let calls = join(probe.call(&message), probe.call(&message));
    let ((one, other), reached) = probe.while_held(held, 2, calls, async |_| Ok(())).await?;
    let mut complaints: Vec<String> = one_success(&one, &other).into_iter().collect();
    complaints.extend(probe.judge_message(&message, After::Processed).await?);
    Ok(Verdict::of(&complaints).if_reached(reached))
}

/// What is wrong with two answers of which one is to be 2xx and the other 409 or transient.
pub(crate) fn one_success(one: &Came, other: &Came) -> Option<String> {
    let is = |status: Status, came: &Came| came.as_ref().is_ok_and(|answer| status.accepts(answer.code));
    let fits = |won: &Came, lost: &Came| is(Status::Success, won) && is(Status::DoneOrFailed, lost);
    (!fits(one, other) && !fits(other, one)).then(|| format!("{} and {}", told(one), told(other)))
}

pub(crate) async fn outdated(probe: &Probe) -> Outcome {
    let current = probe.recorded(probe.unrecorded()?.at(2)).await?;
    let came = probe.call(&current.clone().at(1)).await;
    Ok(Verdict::of(&probe.judge(&current, &came, Status::Later, After::Untouched).await?))
}

/// The old attempt has begun as the current one, and waits for the row when the next one starts.
pub(crate) async fn overtaken(probe: &Probe) -> Outcome {
    let old = probe.message().await?;
    let held = probe.database.hold(old.id).await?;
    let (came, reached) =
        probe.while_held(held, 1, probe.call(&old), async |held| held.start_next(old.id).await).await?;
    let new = old.next();
    let mut complaints = probe.judge(&new, &came, Status::Later, After::Untouched).await?;
    if complaints.is_empty() {
        complaints = succeeds(probe, &new, Status::Success).await?;
    }
    Ok(Verdict::of(&complaints).if_reached(reached))
}

/// The attempt waits for the row when the message is marked by another.
pub(crate) async fn settled(probe: &Probe) -> Outcome {
    let message = probe.message().await?;
    // Its one effect is missing, and is to stay so.
    probe.set_apart(&message);
    let held = probe.database.hold(message.id).await?;
    let call = probe.call(&message);
    let (came, reached) = probe.while_held(held, 1, call, async |held| held.settle(message.id).await).await?;
    let complaints = probe.judge(&message, &came, Status::DoneOrLater, After::Settled).await?;
    Ok(Verdict::of(&complaints).if_reached(reached))
}

/// Complaints about the next attempt, after the one before went as it should.
async fn succeeds(probe: &Probe, next: &Message, status: Status) -> Result<Vec<String>, ConformError> {
    let came = probe.call(next).await;
    let complaints = probe.judge(next, &came, status, After::Processed).await?;
    Ok(complaints.into_iter().map(|complaint| format!("the next attempt: {complaint}")).collect())
}

pub(crate) async fn hung_up(probe: &Probe) -> Outcome {
    let mut complaints = in_its_request(probe).await?;
    let (more, reached) = before_the_answer(probe).await?;
    complaints.extend(more);
    Ok(Verdict::of(&complaints).if_reached(reached))
}

async fn in_its_request(probe: &Probe) -> Result<Vec<String>, ConformError> {
    let message = probe.message().await?;
    let ask = probe.ask(&message);
    drop(probe.http.begin(&ask, ask.body.len() / 2).await);
    next_after(probe, &message).await
}

/// Its handler waits for the row when the caller goes.
async fn before_the_answer(probe: &Probe) -> Result<(Vec<String>, bool), ConformError> {
    let message = probe.message().await?;
    let ask = probe.ask(&message);
    let mut held = probe.database.hold(message.id).await?;
    let begun = probe.http.begin(&ask, ask.body.len()).await;
    let reached = held.until_waiting(1, probe.patience, &AtomicBool::new(false)).await?;
    drop(begun);
    // It learns so while it waits: one that is cancelled then must not keep the row.
    tokio::time::sleep(HANG_UP_REACHES_IT).await;
    held.release().await?;
    tokio::time::sleep(ROW_REACHES_IT).await;
    Ok((next_after(probe, &message).await?, reached))
}

async fn next_after(probe: &Probe, message: &Message) -> Result<Vec<String>, ConformError> {
    // The one before may have been processed all the same.
    let status = match probe.database.start_next(message.id).await? {
        Started::Yes => Status::Success,
        Started::Done => Status::Done,
        Started::Locked => return Ok(vec![left_open(probe, message)]),
    };
    succeeds(probe, &message.next(), status).await
}

/// The complaint about a message whose next attempt cannot start.
pub(super) fn left_open(probe: &Probe, message: &Message) -> String {
    probe.set_apart(message);
    "the next attempt cannot start: the handler has left a transaction open that holds the inbox row"
        .to_owned()
}

/// At the very end: whatever was judged well is still so.
pub(crate) async fn late(probe: &Probe) -> Outcome {
    let mut complaints = Vec::new();
    for message in probe.made() {
        if probe.is_apart(message.id) {
            continue;
        }
        let found = probe.database.find(&message).await?;
        let due = match &found.row {
            Some((state, _)) if state == "processed" => probe.measure.once,
            Some(_) | None => 0,
        };
        if found.emitted != due {
            complaints.push(format!(
                "message {} has {} emitted events instead of {due}",
                message.id, found.emitted
            ));
        }
    }
    complaints.truncate(3);
    Ok(Verdict::of(&complaints))
}

#[cfg(test)]
mod tests {
    use super::one_success;
    use crate::verdict::Answer;

    #[test]
    fn of_two_one_succeeds_and_the_other_does_no_harm() {
        let came = |code| Ok(Answer { code, body: String::new(), closes: false });
        for (one, other, good) in [
            (200, 409, true),
            (503, 200, true),
            (200, 500, true),
            (200, 200, false),
            (200, 422, false),
            (409, 500, false),
        ] {
            assert_eq!(one_success(&came(one), &came(other)).is_none(), good, "{one} {other}");
        }
    }
}
