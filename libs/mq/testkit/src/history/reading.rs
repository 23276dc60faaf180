use serde::{Deserialize, Serialize};

/// What one gauge of one worker said.
///
/// Judged are the gauges that count rows of the worker's own database, since they must agree with the
/// tables once nothing moves: `outbox_unpublished_count`, `outbox_parked_count`,
/// `inbox_unprocessed_count` and `inbox_waiting_count`. Others pass unjudged: counters begin at 0 with
/// each process and are gone when it is killed, ages go on at rest, and the broker's own counts lag
/// behind by up to an ack wait when an ack was lost.
///
/// A worker renews its gauges every 2 s, with a long backlog every 30 s at the latest. So read them
/// that long after the last row moved, or again until they agree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The worker's context.
    pub context: String,
    /// Which instance of it, as it should be named to a reader.
    pub instance: String,
    /// The metric's name.
    pub metric: String,
    /// The consumer, where the metric has one.
    pub consumer: Option<String>,
    /// What it said.
    pub value: f64,
}

impl Reading {
    /// The readings of a metrics page, in the text format of Prometheus: every finite value, whatever
    /// its labels beside `consumer`.
    #[must_use]
    pub fn of_page(context: &str, instance: &str, page: &str) -> Vec<Self> {
        let reading = |line: &str| {
            let (metric, labels, value) = parts(line)?;
            Some(Self {
                context: context.to_owned(),
                instance: instance.to_owned(),
                metric: metric.to_owned(),
                consumer: label(labels, "consumer"),
                value: value.parse().ok().filter(|value: &f64| value.is_finite())?,
            })
        };
        page.lines().filter_map(reading).collect()
    }
}

/// Name, labels and value of a line; `None` for comments and what is no sample.
fn parts(line: &str) -> Option<(&str, &str, &str)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (metric, labels, rest) = match line.split_once('{') {
        Some((metric, rest)) => {
            let (labels, rest) = rest.rsplit_once('}')?;
            (metric, labels, rest)
        }
        None => {
            let (metric, rest) = line.split_once(char::is_whitespace)?;
            (metric, "", rest)
        }
    };
    // A time may stand behind the value.
    Some((metric, labels, rest.split_whitespace().next()?))
}

/// The value of a label. Contexts and consumers have no character that would have to be escaped.
fn label(labels: &str, name: &str) -> Option<String> {
    labels.split(',').find_map(|label| {
        let (key, value) = label.split_once('=')?;
        (key.trim() == name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::Reading;

    #[test]
    fn a_page_is_read() {
        let page = "# HELP outbox_unpublished_count Rows\n# TYPE outbox_unpublished_count gauge\n\
                    outbox_unpublished_count{context=\"sea\"} 3\n\
                    inbox_unprocessed_count{context=\"sea\",consumer=\"sea__from_a\"} 0 1700000000\n\
                    bare 1.5\nbroken\nodd NaN\n\n";
        let readings = Reading::of_page("sea", "one", page);
        let told: Vec<_> =
            readings.iter().map(|r| (r.metric.as_str(), r.consumer.as_deref(), r.value)).collect();
        assert_eq!(
            told,
            [
                ("outbox_unpublished_count", None, 3.0),
                ("inbox_unprocessed_count", Some("sea__from_a"), 0.0),
                ("bare", None, 1.5)
            ]
        );
        assert!(readings.iter().all(|r| r.context == "sea" && r.instance == "one"));
    }
}
