//! One call for one event.

use bytes::Bytes;

use super::Outcome;
use crate::ConformError;
use crate::probe::Probe;
use crate::verdict::{After, Status, Verdict, of_answer, told};

/// What a call says beside its payload.
const ROOM: usize = 2048;

/// A second event must be processed as well: one that is only processed once makes every other rule
/// fail. Values that have to be unique are what it usually is about.
pub(crate) async fn another(probe: &Probe) -> Outcome {
    let message = probe.message().await?;
    let came = probe.call(&message).await;
    Ok(match of_answer(Status::Success, &came) {
        None => Verdict::Passed,
        Some(_) => Verdict::Failed(format!(
            "{} for the second event after 2xx for the first: when it needs values of its own, write {{uuid}} \
             into the payload's texts",
            told(&came)
        )),
    })
}

pub(crate) async fn extra_fields(probe: &Probe) -> Outcome {
    let message = probe.message().await?;
    let mut ask = Probe::plain(&message);
    let more = Bytes::from_static(br#"{"conform_extra":{"n":[1]},"#);
    ask.body = [more, ask.body.slice(1..)].concat().into();
    let came = probe.http.send(&probe.signed(ask, message.id, crate::signing::Signing::Right)).await;
    Ok(Verdict::of(&probe.judge(&message, &came, Status::Success, After::Processed).await?))
}

pub(crate) async fn redriven(probe: &Probe) -> Outcome {
    let message = probe.recorded(probe.unrecorded()?.at(9)).await?;
    let came = probe.call(&message).await;
    Ok(Verdict::of(&probe.judge(&message, &came, Status::Success, After::Processed).await?))
}

pub(crate) async fn large(probe: &Probe) -> Outcome {
    let Some(payload) = probe.payload.padded(probe.database.largest.saturating_sub(ROOM)) else {
        return Ok(Verdict::NotApplicable("the payload is no object: nothing can be added to it".to_owned()));
    };
    let message = probe.message_of(&probe.subject, &payload).await?;
    let came = probe.call(&message).await;
    // A handler that allows no other field says so; it has read the call then.
    Ok(Verdict::of(&probe.judge(&message, &came, Status::SuccessOrPoison, After::Either).await?))
}

pub(crate) async fn idle(probe: &Probe) -> Outcome {
    let failed = |why: String| Ok(Verdict::Failed(why));
    let mut kept = match probe.http.open().await {
        Ok(kept) => kept,
        Err(why) => return failed(why),
    };
    let first = match kept.send(&probe.ask(&probe.message().await?)).await {
        Ok(answer) => answer,
        Err(why) => return failed(format!("no answer to the call before ({why})")),
    };
    if first.closes {
        return Ok(Verdict::NotApplicable(
            "it closes each connection after its answer, and says so".to_owned(),
        ));
    }
    if !kept.idle(probe.idle).await {
        return failed(format!(
            "it closed the connection within {:?}; let it wait 5 s or longer",
            probe.idle
        ));
    }
    let message = probe.message().await?;
    let came = kept.send(&probe.ask(&message)).await;
    Ok(Verdict::of(&judged(probe, &message, &came).await?))
}

async fn judged(
    probe: &Probe,
    message: &crate::message::Message,
    came: &crate::verdict::Came,
) -> Result<Vec<String>, ConformError> {
    probe.judge(message, came, Status::Success, After::Processed).await
}
