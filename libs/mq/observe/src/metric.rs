//! Every metric of a worker, declared once.
//!
//! Each function returns the handle of its metric for the given label values; loops that
//! touch one often keep the handle. Every metric also carries the label `context`.
//! A label takes at most 200 different values; what comes later counts as `other`.

use metrics::{Counter, Gauge, Histogram, SharedString, Unit};

use crate::label::bounded;

/// What kind of number a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations in buckets.
    Histogram,
}

/// One declared metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name in Prometheus.
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// The unit of its values.
    pub unit: Unit,
    /// Its labels beside `context`.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

macro_rules! handle {
    (Counter, $($metric:tt)*) => { metrics::counter!($($metric)*) };
    (Gauge, $($metric:tt)*) => { metrics::gauge!($($metric)*) };
    (Histogram, $($metric:tt)*) => { metrics::histogram!($($metric)*) };
}

macro_rules! declare {
    ($(#[doc = $help:literal] $kind:ident $name:ident($($label:ident),*) in $unit:ident;)*) => {
        /// All of them, in the order of the pipeline.
        pub const METRICS: &[Metric] = &[$(Metric {
            name: stringify!($name),
            kind: Kind::$kind,
            unit: Unit::$unit,
            labels: &[$(stringify!($label)),*],
            help: $help.trim_ascii(),
        }),*];

        $(#[doc = $help]
        pub fn $name($($label: impl Into<SharedString>),*) -> $kind {
            handle!($kind, stringify!($name)
                $(, stringify!($label) => bounded(stringify!($label), $label.into()))*)
        })*
    };
}

declare! {
    /// Outbox rows that are due and not yet published.
    Gauge outbox_unpublished_count() in Count;
    /// Age of the oldest due outbox row that is not yet published; a scheduled row ages from when it is due.
    Gauge outbox_oldest_unpublished_age_seconds() in Seconds;
    /// Outbox rows that the broker refused for good; each waits for an operator.
    Gauge outbox_parked_count() in Count;
    /// Outbox rows marked published after their ack.
    Counter outbox_published_total() in Count;
    /// Publishes that brought no ack, by kind of failure.
    Counter publish_failures_total(kind) in Count;
    /// From the commit of an outbox row to the broker's ack.
    Histogram publish_latency_ms() in Milliseconds;

    /// Messages of the stream that the durable has not been delivered.
    Gauge jetstream_consumer_num_pending(consumer) in Count;
    /// Messages delivered to the durable and not yet acknowledged.
    Gauge consumer_ack_pending(consumer) in Count;
    /// Messages of the stream that the durable has not acknowledged, delivered or not.
    Gauge stream_messages_pending(consumer) in Count;
    /// Deliveries by the broker beyond the first.
    Counter consumer_redelivery_count(consumer) in Count;
    /// Times that a consumed stream turned out to be a new one of the same name.
    Counter stream_recreated_total(consumer) in Count;
    /// Times that a consumed stream held other messages than were recorded from it.
    Counter stream_rewound_total(consumer) in Count;
    /// Times that messages of a consumed stream were gone before they were recorded, or may have been.
    Counter stream_dropped_total(consumer) in Count;

    /// Messages recorded in the inbox.
    Counter inbox_recorded_total(consumer) in Count;
    /// Messages that the inbox already had.
    Counter inbox_duplicates_total(consumer) in Count;
    /// Inbox rows that are neither processed nor dead-lettered.
    Gauge inbox_unprocessed_count(consumer) in Count;
    /// Inbox rows that wait for a retry, or behind one.
    Gauge inbox_waiting_count(consumer) in Count;

    /// Handler calls that ended, by outcome.
    Counter handler_calls_total(consumer, outcome) in Count;
    /// Handler calls that did not settle their event, by event type.
    Counter handler_failures_total(consumer, event_type) in Count;
    /// From the start of an attempt to its settled outcome.
    Histogram message_processing_latency_ms(consumer) in Milliseconds;
    /// From when the event occurred (`X-Occurred-At`) to its processed mark in this context.
    Histogram commit_to_handled_latency_ms(consumer) in Milliseconds;
    /// Events given up and kept as dead letters, by reason.
    Counter dead_letters_total(consumer, reason) in Count;

    /// Lanes that this instance holds, by the loop that works them.
    Gauge lanes_owned(role) in Count;
    /// 1 while work waits and nothing has settled for longer than the limit, else 0.
    Gauge progress_stalled(progress) in Count;
    /// 1 while the broker is connected, else 0.
    Gauge broker_connected() in Count;
    /// 1 while the database answers, else 0.
    Gauge database_connected() in Count;
}

/// Tells the current recorder about every metric, and shows the counters that have no
/// labels as 0, so that their first increment is seen as one.
pub(crate) fn describe_all() {
    for &Metric { name, kind, unit, labels, help } in METRICS {
        match kind {
            Kind::Counter => metrics::describe_counter!(name, unit, help),
            Kind::Gauge => metrics::describe_gauge!(name, unit, help),
            Kind::Histogram => metrics::describe_histogram!(name, unit, help),
        }
        if kind == Kind::Counter && labels.is_empty() {
            metrics::counter!(name).increment(0);
        }
    }
}
