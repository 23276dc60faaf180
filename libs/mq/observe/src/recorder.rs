use std::fmt;
use std::sync::{Mutex, PoisonError};

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use sea_mq_event::ContextName;

use crate::error::ObserveError;
use crate::metric;

/// Upper bounds of the histograms' buckets in milliseconds: fine around the few
/// milliseconds of an idle system, coarse up to the longest retry pause.
const BUCKETS_MS: &[f64] = &[
    0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0,
    10_000.0, 30_000.0, 60_000.0, 300_000.0, 900_000.0,
];

static INSTALLED: Mutex<Option<Metrics>> = Mutex::new(None);

/// Records the metrics of this process. Clones share the same record.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Starts recording for `context`, once for the process: a later call returns the same
    /// record, which keeps the first caller's context as its label.
    ///
    /// # Errors
    /// [`ObserveError::Recorder`] when somebody else records metrics in this process.
    pub fn install(context: &ContextName) -> Result<Self, ObserveError> {
        let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(metrics) = &*installed {
            return Ok(metrics.clone());
        }
        let recorder = recorder(context).map_err(|_| ObserveError::Recorder)?;
        let metrics = Self(recorder.handle());
        metrics::with_local_recorder(&recorder, metric::describe_all);
        metrics::set_global_recorder(recorder).map_err(|_| ObserveError::Recorder)?;
        Ok(installed.insert(metrics).clone())
    }

    /// Everything recorded so far, in Prometheus' text format.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Folds observations into their buckets; without it they pile up between two renders.
    pub(crate) fn upkeep(&self) {
        self.0.run_upkeep();
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

fn recorder(context: &ContextName) -> Result<PrometheusRecorder, BuildError> {
    let builder = PrometheusBuilder::new().set_buckets(BUCKETS_MS)?;
    Ok(builder.add_global_label("context", context.as_str()).build_recorder())
}
