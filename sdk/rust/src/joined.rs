//! One transaction for effects, emitted events and the marks in the inbox.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use sqlx::PgConnection;

use crate::answer::{Fault, Verdict};
use crate::connection::Lent;
use crate::failure::Failure;
use crate::inbox::{self, Attempt};
use crate::job::{Job, Work};
use crate::prepared::Prepared;

/// Handles those of the jobs whose attempt may run, in one transaction that commits only as all of them. Returns the
/// verdict of each: those with `Run` are processed.
///
/// # Errors
/// After which everything was rolled back.
pub(crate) async fn joined(lent: &mut Lent, jobs: &[&Job]) -> Result<Vec<Verdict>, Fault> {
    let mut tx = lent.begin().await?;
    let acted = act(&mut tx, jobs).await;
    let commits = acted.as_ref().is_ok_and(|verdicts| verdicts.contains(&Verdict::Run));
    let ended = if commits { tx.commit().await } else { tx.rollback().await };
    match (acted, ended) {
        (acted, Ok(())) => {
            lent.set_clean();
            acted
        }
        (Ok(_), Err(error)) => Err(Fault::Database(error)),
        (Err(fault), Err(_)) => Err(fault),
    }
}

async fn act(connection: &mut PgConnection, jobs: &[&Job]) -> Result<Vec<Verdict>, Fault> {
    let attempts: Vec<&Attempt> = jobs.iter().map(|job| &job.about.attempt).collect();
    let verdicts = inbox::begin(connection, &attempts).await.map_err(Fault::Database)?;
    let current =
        || jobs.iter().zip(&verdicts).filter(|(_, verdict)| **verdict == Verdict::Run).map(|(job, _)| *job);
    for group in grouped(current().filter_map(Job::open)) {
        effects(connection, &group).await?;
    }
    let attempts: Vec<&Attempt> = current().map(|job| &job.about.attempt).collect();
    if attempts.is_empty() || inbox::complete(connection, &attempts).await.map_err(Fault::Database)? {
        return Ok(verdicts);
    }
    Err(Fault::Meddled)
}

/// In the order of the calls; what one call of a handler for many takes is together, where the first of it stands.
fn grouped<'j>(works: impl Iterator<Item = &'j Work>) -> Vec<Vec<&'j Work>> {
    let mut groups: Vec<Vec<&Work>> = Vec::new();
    for work in works {
        match groups.iter_mut().find(|group| group[0].is_handled_with(work)) {
            Some(group) => group.push(work),
            None => groups.push(vec![work]),
        }
    }
    groups
}

async fn effects(connection: &mut PgConnection, group: &[&Work]) -> Result<(), Fault> {
    let prepared: Vec<&dyn Prepared> = group.iter().map(|work| work.prepared.as_ref()).collect();
    guarded(async { prepared[0].effects(connection, &prepared).await }).await
}

/// A panic of the application's code ends as its own failure.
pub(crate) async fn guarded(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Fault> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(done) => done.map_err(Fault::Failed),
        Err(_) => Err(Fault::Panicked),
    }
}
