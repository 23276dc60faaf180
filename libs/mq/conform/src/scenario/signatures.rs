//! Who may call.

use bytes::Bytes;
use sea_mq_dispatch::batch_body;
use uuid::Uuid;

use super::Outcome;
use crate::ConformError;
use crate::http::{Ask, Place};
use crate::probe::Probe;
use crate::signing::Signing;
use crate::verdict::{After, Status, Verdict, of_answer};

/// Beyond the 300 s that a signature's time may be off.
const TOO_FAR: i64 = 600;

async fn refused(probe: &Probe, signing: Signing) -> Result<Vec<String>, ConformError> {
    let message = probe.message().await?;
    let ask = probe.signed(Probe::plain(&message), message.id, signing);
    let came = probe.http.send(&ask).await;
    probe.judge(&message, &came, Status::Refused, After::Untouched).await
}

pub(crate) async fn unsigned(probe: &Probe) -> Outcome {
    let mut complaints = refused(probe, Signing::Unsigned).await?;
    let came = probe.http.send(&Ask::post(Place::Call, Bytes::from_static(b"{"))).await;
    complaints.extend(of_answer(Status::Refused, &came).map(|it| format!("what is no call: {it}")));
    Ok(Verdict::of(&complaints))
}

pub(crate) async fn wrong_key(probe: &Probe) -> Outcome {
    Ok(Verdict::of(&refused(probe, Signing::WrongKey).await?))
}

pub(crate) async fn stale(probe: &Probe) -> Outcome {
    let mut complaints = refused(probe, Signing::Off(-TOO_FAR)).await?;
    complaints.extend(refused(probe, Signing::Off(TOO_FAR)).await?);
    Ok(Verdict::of(&complaints))
}

pub(crate) async fn changed_body(probe: &Probe) -> Outcome {
    Ok(Verdict::of(&refused(probe, Signing::OtherBody).await?))
}

pub(crate) async fn several(probe: &Probe) -> Outcome {
    let message = probe.message().await?;
    let ask = probe.signed(Probe::plain(&message), message.id, Signing::Several);
    let came = probe.http.send(&ask).await;
    Ok(Verdict::of(&probe.judge(&message, &came, Status::Success, After::Processed).await?))
}

pub(crate) async fn capabilities(probe: &Probe) -> Outcome {
    let came = probe.http.send(&Ask::get(Place::Capabilities)).await;
    Ok(Verdict::of(&of_answer(Status::Refused, &came).into_iter().collect::<Vec<_>>()))
}

pub(crate) async fn batch(probe: &Probe) -> Outcome {
    let message = probe.message().await?;
    let ask = Ask::post(Place::Batch, batch_body(&[message.batched()]));
    let ask = probe.signed(ask, Uuid::new_v4(), Signing::Unsigned);
    let came = probe.http.send(&ask).await;
    Ok(Verdict::of(&probe.judge(&message, &came, Status::Refused, After::Untouched).await?))
}

pub(crate) async fn health(probe: &Probe) -> Outcome {
    let mut complaints = Vec::new();
    for place in [Place::Live, Place::Ready] {
        let came = probe.http.send(&Ask::get(place)).await;
        let refused = came.as_ref().is_ok_and(|answer| matches!(answer.code, 401 | 403));
        complaints.extend(refused.then(|| format!("{} without a signature", crate::verdict::told(&came))));
    }
    Ok(Verdict::of(&complaints))
}
