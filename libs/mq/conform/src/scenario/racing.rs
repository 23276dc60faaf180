//! An attempt and its successor, at the same time, again and again.

use futures::future::join;

use super::Outcome;
use super::attempts::left_open;
use crate::ConformError;
use crate::database::Started;
use crate::probe::Probe;
use crate::verdict::{After, Came, Status, Verdict, of_answer};

/// The successor starts at each of so many moments of the first one's call.
const ROUNDS: u32 = 16;

pub(crate) async fn racing(probe: &Probe) -> Outcome {
    let mut complaints = Vec::new();
    for round in 0..ROUNDS {
        complaints
            .extend(race(probe, round).await?.into_iter().map(|it| format!("round {}: {it}", round + 1)));
    }
    complaints.truncate(3);
    Ok(Verdict::of(&complaints))
}

async fn race(probe: &Probe, round: u32) -> Result<Vec<String>, ConformError> {
    let old = probe.message().await?;
    let new = old.next();
    let delay = probe.pace * round * 3 / (ROUNDS * 2);
    let successor = async {
        tokio::time::sleep(delay).await;
        Ok::<Result<Came, Started>, ConformError>(match probe.database.start_next(old.id).await? {
            Started::Yes => Ok(probe.call(&new).await),
            not @ (Started::Done | Started::Locked) => Err(not),
        })
    };
    let (first, second) = join(probe.call(&old), successor).await;
    let (message, mut complaints) = match second? {
        Err(Started::Locked) => return Ok(vec![left_open(probe, &old)]),
        // The first one was done before its successor could start.
        Err(Started::Yes | Started::Done) => (old, of_answer(Status::Success, &first).into_iter().collect()),
        Ok(second) => {
            let lost =
                of_answer(Status::DoneOrFailed, &first).map(|it| format!("the replaced attempt: {it}"));
            let won = of_answer(Status::Success, &second).map(|it| format!("its successor: {it}"));
            (new, lost.into_iter().chain(won).collect::<Vec<_>>())
        }
    };
    complaints.extend(probe.judge_message(&message, After::Processed).await?);
    Ok(complaints)
}
