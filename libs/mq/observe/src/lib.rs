//! How a worker is watched: health, metrics, logs.
//!
//! - [`Health`] holds the named checks that the loops report to; [`Progress`] turns
//!   "work waits and nothing settles" into one of them, [`Pulse`] shows that a task lives.
//! - [`metric`] declares every metric once: name, labels, unit, help, and the function
//!   that the loops touch it by. [`Metrics`] records them and prints them for Prometheus.
//! - [`HttpServer`] answers `/health/live`, `/health/ready` and `/metrics`.
//! - [`init_logs`] writes log lines to standard error, for people or as JSON.

mod clock;
mod error;
mod health;
mod http;
mod json_log;
mod label;
mod log;
pub mod metric;
mod progress;
mod recorder;
mod report;

pub use clock::Clock;
pub use error::ObserveError;
pub use health::{Health, Pulse, Status};
pub use http::HttpServer;
pub use log::{DEFAULT_LOG_FILTER, init_logs};
pub use progress::Progress;
pub use recorder::Metrics;
pub use report::{Liveness, LivenessStatus, Readiness, ReadinessStatus};
pub use sea_mq_config::LogFormat;
