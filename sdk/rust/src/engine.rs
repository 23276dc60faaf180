//! From the worker's calls to their answers: each event takes effect exactly once, and fails alone.
//!
//! ```text
//! prepare ──▶ ask ──▶ together ──────────────▶ one by one
//! 404, 422    503     one transaction for      a transaction each: for those that chose it,
//!                     those that chose it      and for all of `together` when that failed
//! ```

use std::slice::IterMut;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use futures::StreamExt;
use futures::future::join_all;
use sqlx::PgPool;

use crate::answer::{Answer, Fault, Verdict};
use crate::connection::Lent;
use crate::event::Call;
use crate::handlers::Handlers;
use crate::inbox::{self, Attempt};
use crate::job::Job;
use crate::joined::{guarded, joined};
use crate::log;

/// Events of a batch that ask, or that have a transaction of their own, at the same time.
const AT_ONCE: usize = 8;

/// Handles the events of one call, one or a batch; an answer for each, in their order.
pub(crate) async fn run(handlers: &Handlers, calls: Vec<Call>) -> Vec<Answer> {
    let started = Instant::now();
    let mut jobs: Vec<Job> = calls.into_iter().map(|call| Job::new(handlers, call)).collect();
    ask(handlers.pool(), jobs.iter_mut().filter(|job| job.asks()).collect()).await;
    together(handlers.pool(), jobs.iter_mut().filter(|job| job.shares()).collect()).await;
    one_by_one(handlers.pool(), jobs.iter_mut().filter(|job| job.open().is_some()).collect()).await;
    for job in &jobs {
        log::say(job, started.elapsed(), jobs.len());
    }
    jobs.iter().map(Job::answer).collect()
}

/// What events ask before their transaction, and only when they may run. No connection is held meanwhile.
async fn ask(pool: &PgPool, mut jobs: Vec<&mut Job>) {
    if jobs.is_empty() {
        return;
    }
    let attempts: Vec<&Attempt> = jobs.iter().map(|job| &job.about.attempt).collect();
    match check(pool, &attempts).await {
        Ok(verdicts) => judge(&mut jobs, &verdicts),
        Err(fault) => return fail_all(jobs, fault),
    }
    let current = jobs.into_iter().filter(|job| job.open().is_some());
    futures::stream::iter(current).for_each_concurrent(AT_ONCE, ask_one).await;
}

async fn ask_one(job: &mut Job) {
    let Some(work) = &mut job.work else { return };
    if let Err(fault) = guarded(work.prepared.ask()).await {
        job.failed(fault);
    }
}

async fn check(pool: &PgPool, attempts: &[&Attempt]) -> Result<Vec<Verdict>, Fault> {
    let mut lent = Lent::from(pool).await?;
    let verdicts = inbox::begin(lent.bare(), attempts).await.map_err(Fault::Database)?;
    lent.set_clean();
    Ok(verdicts)
}

/// One transaction for all. When it fails, nobody is answered who has an effect in it.
async fn together(pool: &PgPool, mut jobs: Vec<&mut Job>) {
    if jobs.len() < 2 {
        return;
    }
    match share(pool, &jobs).await {
        Ok(verdicts) => {
            judge(&mut jobs, &verdicts);
            jobs.into_iter().filter(|job| job.open().is_some()).for_each(|job| job.done());
        }
        Err(fault @ Fault::NoConnection) => fail_all(jobs, fault),
        Err(fault) => log::rolled_back(&fault, jobs.len()),
    }
}

async fn share(pool: &PgPool, jobs: &[&mut Job]) -> Result<Vec<Verdict>, Fault> {
    let jobs: Vec<&Job> = jobs.iter().map(|job| &**job).collect();
    joined(&mut Lent::from(pool).await?, &jobs).await
}

fn judge(jobs: &mut [&mut Job], verdicts: &[Verdict]) {
    let verdicts = verdicts.iter().copied().chain(std::iter::repeat(Verdict::Unknown));
    jobs.iter_mut().zip(verdicts).for_each(|(job, verdict)| job.judged(verdict));
}

/// Each gets its answer; what failed is logged with the first of them.
fn fail_all(mut jobs: Vec<&mut Job>, fault: Fault) {
    jobs.iter_mut().for_each(|job| job.failed_by(&fault));
    if let Some(first) = jobs.first_mut() {
        first.fault = Some(fault);
    }
}

/// A transaction for each, several at a time.
async fn one_by_one(pool: &PgPool, mut jobs: Vec<&mut Job>) {
    let most = usize::try_from(pool.options().get_max_connections()).unwrap_or(AT_ONCE).min(AT_ONCE);
    let lanes = jobs.len().min(most);
    let queue = Mutex::new(jobs.iter_mut());
    let gone = AtomicBool::new(false);
    join_all((0..lanes).map(|_| lane(pool, &queue, &gone))).await;
}

/// Takes one after the other, on one connection while that holds.
async fn lane(pool: &PgPool, queue: &Mutex<IterMut<'_, &mut Job>>, gone: &AtomicBool) {
    let mut lent = None;
    while let Some(job) = next(queue) {
        match alone(pool, &mut lent, job, gone).await {
            Ok(Verdict::Run) => job.done(),
            Ok(verdict) => job.judged(verdict),
            Err(fault) => job.failed(fault),
        }
    }
}

fn next<'q, 'j>(queue: &Mutex<IterMut<'q, &'j mut Job>>) -> Option<&'q mut &'j mut Job> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).next()
}

async fn alone(
    pool: &PgPool,
    lent: &mut Option<Lent>,
    job: &Job,
    gone: &AtomicBool,
) -> Result<Verdict, Fault> {
    let mut connection = match lent.take().filter(Lent::is_clean) {
        Some(connection) => connection,
        // Each would wait for a connection in vain, and the call would take longer than the worker waits.
        None if gone.load(Ordering::Relaxed) => return Err(Fault::NoConnection),
        None => Lent::from(pool).await.inspect_err(|_| gone.store(true, Ordering::Relaxed))?,
    };
    let acted = joined(&mut connection, &[job]).await;
    *lent = Some(connection);
    acted.map(|verdicts| verdicts.first().copied().unwrap_or(Verdict::Unknown))
}
