use uuid::Uuid;

use super::Outcome;
use crate::http::{Ask, Place};
use crate::probe::Probe;
use crate::signing::Signing;
use crate::verdict::{Status, Verdict, of_answer};

pub(crate) async fn live(probe: &Probe) -> Outcome {
    answers(probe, Place::Live).await
}

pub(crate) async fn ready(probe: &Probe) -> Outcome {
    answers(probe, Place::Ready).await
}

async fn answers(probe: &Probe, place: Place) -> Outcome {
    // Signed where calls are: whether it is needed is another rule.
    let came = probe.http.send(&probe.signed(Ask::get(place), Uuid::new_v4(), Signing::Right)).await;
    Ok(Verdict::of(&of_answer(Status::Success, &came).into_iter().collect::<Vec<_>>()))
}
