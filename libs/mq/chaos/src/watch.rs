//! What is seen of the system meanwhile, once a second.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sea_mq_stream::Broker;
use sea_mq_testkit::{TestContext, TestkitError};
use sqlx::Row;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::load::{HEALTHY, Ledger};
use crate::report::{ContextSample, Sample};

const EVERY: Duration = Duration::from_secs(1);
/// A database that takes longer is not to be seen in this second.
const LOOK_LIMIT: Duration = Duration::from_millis(900);

/// One context's database and inbox, and the stream that it consumes.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) known_as: &'static str,
    pub(crate) context: TestContext,
    pub(crate) consumes: String,
    pub(crate) durable: String,
}

/// Looks at both contexts.
#[derive(Clone)]
pub(crate) struct Watch {
    pub(crate) places: Vec<Place>,
    pub(crate) broker: Broker,
    pub(crate) began: Instant,
}

/// What is seen of one context.
#[derive(Default)]
struct Seen {
    sample: ContextSample,
    /// In the database: not published yet, or recorded and not finished.
    healthy: u64,
    /// In the stream and not recorded yet; `None` when the broker does not say.
    pending: Option<u64>,
    /// Milliseconds from commit to effect, of the effects since the last look.
    latencies: Vec<f64>,
    last_effect: i64,
}

/// What was seen of one context the last time.
#[derive(Clone, Default)]
struct Last {
    effect: i64,
    pending: u64,
}

/// A watch that goes on until it is dropped.
pub(crate) struct Watching {
    samples: Arc<Mutex<Vec<Sample>>>,
    task: JoinHandle<()>,
}

impl Watching {
    pub(crate) fn samples(&self) -> Vec<Sample> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watch {
    pub(crate) fn start(self, ledger: Arc<Ledger>) -> Watching {
        let samples: Arc<Mutex<Vec<Sample>>> = Arc::default();
        let kept = Arc::clone(&samples);
        let task = tokio::spawn(async move {
            let mut ticks = interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            let mut last = vec![Last::default(); self.places.len()];
            loop {
                ticks.tick().await;
                if let Ok(Ok(sample)) = timeout(LOOK_LIMIT, self.sample(&mut last, &ledger)).await {
                    kept.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
                }
            }
        });
        Watching { samples, task }
    }

    /// Milliseconds since the run's start.
    pub(crate) fn now_ms(&self) -> u64 {
        self.ms_of(Instant::now())
    }

    /// The same of another moment.
    pub(crate) fn ms_of(&self, moment: Instant) -> u64 {
        moment.duration_since(self.began).as_millis().try_into().unwrap_or(u64::MAX)
    }

    async fn sample(&self, lasts: &mut [Last], ledger: &Ledger) -> Result<Sample, TestkitError> {
        let mut sample = Sample { at_ms: self.now_ms(), committed: ledger.committed(), ..Sample::default() };
        let mut latencies = Vec::new();
        for (place, last) in self.places.iter().zip(lasts) {
            let seen = self.look_at(place, last.effect).await?;
            last.effect = seen.last_effect;
            // A broker that is away still holds what it held.
            last.pending = seen.pending.unwrap_or(last.pending);
            sample.processed += seen.sample.processed;
            sample.dead += seen.sample.dead;
            sample.outbox_backlog += seen.sample.outbox_backlog;
            sample.inbox_backlog += seen.sample.inbox_backlog;
            sample.healthy_backlog += seen.healthy + last.pending;
            sample.contexts.push(seen.sample);
            latencies.extend(seen.latencies);
        }
        latencies.sort_unstable_by(f64::total_cmp);
        sample.latency_p50_ms = percentile(&latencies, 50);
        sample.latency_p99_ms = percentile(&latencies, 99);
        Ok(sample)
    }

    /// Events that nothing is wrong with and that are not finished; `None` when the broker does not say.
    pub(crate) async fn healthy_backlog(&self) -> Result<Option<u64>, TestkitError> {
        let mut backlog = Some(0);
        for place in &self.places {
            let seen = self.look_at(place, i64::MAX).await?;
            backlog = backlog.zip(seen.pending).map(|(sum, pending)| sum + pending + seen.healthy);
        }
        Ok(backlog)
    }

    async fn look_at(&self, place: &Place, last_effect: i64) -> Result<Seen, TestkitError> {
        let database = &place.context.admin;
        let row = sqlx::query(
            "SELECT (SELECT count(*) FROM outbox_events WHERE state = 'ready'),
                    (SELECT max(seq) FROM outbox_events),
                    count(*) FILTER (WHERE state = 'dead'),
                    count(*) FILTER (WHERE state NOT IN ('dead', 'processed')),
                    count(*) FILTER (WHERE state NOT IN ('dead', 'processed') AND event_type = ANY($1)),
                    count(*) FILTER (WHERE state = 'processed')
             FROM inbox_messages",
        )
        .bind(HEALTHY)
        .fetch_one(database)
        .await?;
        let outbox = count(row.try_get(0)?);
        let effects: Vec<(i64, f64)> = sqlx::query_as(
            "SELECT id, extract(epoch FROM made_at)::float8 * 1000 - (payload->>'at')::float8
             FROM effects WHERE id > $1",
        )
        .bind(last_effect)
        .fetch_all(database)
        .await?;
        let pending = self.pending(place).await?;
        Ok(Seen {
            sample: ContextSample {
                context: place.known_as.to_owned(),
                committed: count(row.try_get::<Option<i64>, _>(1)?.unwrap_or(0)),
                processed: count(row.try_get(5)?),
                dead: count(row.try_get(2)?),
                outbox_backlog: outbox,
                inbox_backlog: count(row.try_get(3)?),
            },
            healthy: outbox + count(row.try_get(4)?),
            pending,
            last_effect: effects.iter().map(|(id, _)| *id).max().unwrap_or(last_effect),
            latencies: effects.into_iter().map(|(_, ms)| ms.max(0.0)).collect(),
        })
    }

    /// What the stream holds and the inbox has not recorded yet; `None` when the broker does not answer.
    async fn pending(&self, place: &Place) -> Result<Option<u64>, TestkitError> {
        let info = timeout(LOOK_LIMIT / 3, self.broker.stream_info(&place.consumes)).await;
        let Ok(Ok(facts)) = info else { return Ok(None) };
        let recorded: Option<i64> = sqlx::query_scalar(
            "SELECT recorded_seq FROM inbox_streams
             WHERE consumer = $1 AND stream = $2 AND stream_created_at BETWEEN $3::timestamptz - interval '1 us' AND $3",
        )
        .bind(&place.durable)
        .bind(&place.consumes)
        .bind(facts.created)
        .fetch_optional(&place.context.admin)
        .await?;
        let unread = facts.last_seq().saturating_sub(count(recorded.unwrap_or(0)));
        Ok(Some(unread.min(facts.messages())))
    }
}

fn count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or(0)
}

fn percentile(sorted: &[f64], percent: usize) -> Option<f64> {
    let at = (sorted.len() * percent / 100).min(sorted.len().checked_sub(1)?);
    sorted.get(at).copied()
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles() {
        assert_eq!(percentile(&[], 50), None);
        assert_eq!(percentile(&[1.0], 99), Some(1.0));
        let hundred: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!((percentile(&hundred, 50), percentile(&hundred, 99)), (Some(50.0), Some(99.0)));
    }
}
