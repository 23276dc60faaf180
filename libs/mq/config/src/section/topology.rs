use std::time::Duration;

use crate::reader::Reader;

/// How long an event stream keeps its messages: 7 days.
pub const STREAM_MAX_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What the worker does about streams and consumers at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopologyMode {
    /// Creates what is absent and updates what may be updated in place.
    Ensure,
    /// Waits for what is absent and refuses to start on a difference.
    Verify,
}

impl TopologyMode {
    pub(crate) fn read(reader: &Reader<'_>) -> Self {
        reader.choice("topology", Self::Verify, &[("ensure", Self::Ensure), ("verify", Self::Verify)])
    }

    /// `ensure` or `verify`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ensure => "ensure",
            Self::Verify => "verify",
        }
    }
}

/// Copies of each message.
pub(crate) fn read_replicas(reader: &Reader<'_>) -> usize {
    let replicas: usize = reader.number("stream_replicas", 3, 1..=5);
    if replicas.is_multiple_of(2) {
        let name = reader.name("stream_replicas");
        reader.problems.shown(
            &name,
            &replicas.to_string(),
            "use 1, 3 or 5: an even number survives no more failures than the odd one below it",
        );
    }
    replicas
}

/// Size at which the context's event stream refuses more, in bytes.
pub(crate) fn read_max_bytes(reader: &Reader<'_>) -> u64 {
    reader.number("stream_max_bytes", 10_000_000_000, 1_048_576..=1_000_000_000_000_000)
}
