use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sqlx::PgPool;

use crate::http;

/// A database that does not answer so soon is left out of the look.
const DATABASE_LIMIT: Duration = Duration::from_secs(2);

/// What waits and what flows in one context, as its workers' metrics and its inbox say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flow {
    /// Events committed and not yet published.
    pub unpublished: u64,
    /// Events that cannot be published, until a person retries them.
    pub parked: u64,
    /// Events published a second, since the last look.
    pub published_per_sec: f64,
    /// Messages in the consumed streams that are not recorded here yet.
    pub pending: u64,
    /// Recorded events that are neither processed nor dead-lettered.
    pub unprocessed: u64,
    /// Those of them that wait for a retry, or behind one.
    pub retrying: u64,
    /// Handler calls that ended, a second, since the last look.
    pub calls_per_sec: f64,
    /// Events given up, until a person redrives or discards them.
    pub dead: u64,
    /// Instances of the worker that are ready.
    pub workers_ready: usize,
}

/// Counters at an earlier look, from which rates follow.
#[derive(Debug)]
pub(crate) struct Look {
    at: Instant,
    published: f64,
    calls: f64,
}

/// Looks at a context whose workers answer on `ports`.
pub(crate) async fn look(ports: &[u16], observer: &PgPool, before: Option<&Look>) -> (Flow, Look) {
    let mut totals = Samples::default();
    let mut workers_ready = 0;
    for port in ports {
        if http::not_ready(*port).await.is_none() {
            workers_ready += 1;
        }
        if let Ok(answer) = http::get(*port, "/metrics").await {
            totals.add(&answer.body);
        }
    }
    let now = Look {
        at: Instant::now(),
        published: totals.sum("outbox_published_total"),
        calls: totals.sum("handler_calls_total"),
    };
    let rate = |count: f64, was: f64, since: Instant| {
        // A worker that was started anew counts from nothing.
        (count - was).max(0.0) / now.at.duration_since(since).as_secs_f64().max(0.001)
    };
    let flow = Flow {
        unpublished: totals.largest("outbox_unpublished_count"),
        parked: totals.largest("outbox_parked_count"),
        published_per_sec: before.map_or(0.0, |b| rate(now.published, b.published, b.at)),
        pending: totals.largest("stream_messages_pending"),
        unprocessed: totals.largest("inbox_unprocessed_count"),
        retrying: totals.largest("inbox_waiting_count"),
        calls_per_sec: before.map_or(0.0, |b| rate(now.calls, b.calls, b.at)),
        dead: dead(observer).await.unwrap_or_default(),
        workers_ready,
    };
    (flow, now)
}

/// Redriven and discarded ones have left this state, so no counter would do.
async fn dead(observer: &PgPool) -> Result<u64, sqlx::Error> {
    let count = sqlx::query_scalar("SELECT count(*) FROM inbox_messages WHERE state = 'dead'");
    let answer = tokio::time::timeout(DATABASE_LIMIT, count.fetch_one(observer)).await;
    let count: i64 = answer.map_err(|_elapsed| sqlx::Error::PoolTimedOut)??;
    Ok(count.try_into().unwrap_or_default())
}

/// Samples of Prometheus text by metric and labels, from several instances: counters are added up,
/// and of gauges, which each instance reads from the same database, the largest is kept.
#[derive(Debug, Default)]
struct Samples(BTreeMap<String, Vec<(String, f64, f64)>>);

impl Samples {
    fn add(&mut self, text: &str) {
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<f64>() else { continue };
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let of_name = self.0.entry(name.to_owned()).or_default();
            match of_name.iter_mut().find(|(known, ..)| known == labels) {
                Some((_, sum, largest)) => {
                    *sum += value;
                    *largest = largest.max(value);
                }
                None => of_name.push((labels.to_owned(), value, value)),
            }
        }
    }

    /// Over all labels and instances.
    fn sum(&self, name: &str) -> f64 {
        self.0.get(name).into_iter().flatten().map(|(_, sum, _)| sum).sum()
    }

    /// Over all labels, each as the instance with the most has it.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of rows")]
    fn largest(&self, name: &str) -> u64 {
        self.0.get(name).into_iter().flatten().map(|(_, _, largest)| largest.max(0.0).round() as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::Samples;

    #[test]
    fn counters_add_up_and_gauges_do_not() {
        let mut samples = Samples::default();
        samples.add(
            "# HELP x\ncalls{c=\"a\",o=\"ok\"} 2\ncalls{c=\"a\",o=\"no\"} 1\nwaiting{c=\"a\"} 5\nnonsense",
        );
        samples.add("calls{c=\"a\",o=\"ok\"} 3\nwaiting{c=\"a\"} 4\nwaiting{c=\"b\"} 1");
        assert!((samples.sum("calls") - 6.0).abs() < f64::EPSILON);
        assert_eq!(samples.largest("waiting"), 6);
        assert_eq!(samples.largest("absent"), 0);
    }
}
