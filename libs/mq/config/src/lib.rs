//! The worker's settings: environment over an optional TOML file over defaults.
//!
//! [`Settings::load`] reads everything once, at the start. All problems are found
//! before any is reported, each with the variable or file key that it belongs to,
//! its value (never a secret's) and what would be allowed. Nothing here talks to a
//! server: a setting is judged by its form and by the other settings alone.
//!
//! The file named by `CONFIG_FILE` uses the variables' names in lower case, and
//! `[[subscription]]` tables when one worker consumes several streams. Its unknown
//! keys are problems; unknown variables are ignored, since platforms inject their
//! own. A variable that is set but blank counts as not set.

mod describe;
mod keys;
mod layers;
mod load;
mod names;
mod problem;
mod reader;
mod secret;
mod section;
mod settings;

pub use problem::{ConfigError, Problem};
pub use secret::Secret;
pub use section::database::DatabaseSettings;
pub use section::dead_letters::DEAD_LETTER_MAX_AGE;
pub use section::nats::{NatsAuth, NatsSettings, NatsTls, TlsIdentity};
pub use section::observe::{LogFormat, ObserveSettings};
pub use section::publisher::PublisherSettings;
pub use section::retention::RetentionSettings;
pub use section::signing::SigningKeys;
pub use section::source::IN_PROCESS;
pub use section::subscription::{OnDeadLetter, RetrySettings, Subscription};
pub use section::topology::{STREAM_MAX_AGE, TopologyMode};
pub use settings::Settings;
