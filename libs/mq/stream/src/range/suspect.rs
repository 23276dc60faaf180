//! Messages that break the connection, where the user may not read them one by one: they are found by
//! asking for them alone, and named.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How often the connection must be lost over one message before the message is blamed.
const STRIKES: u32 = 3;
/// How long a message is left alone once it is blamed: others use the same connection.
const LEFT_ALONE: Duration = Duration::from_secs(60);

/// Losses of the connection, counted per place in one range: pure.
#[derive(Debug, Default)]
pub(super) struct Losses {
    at: u64,
    count: u32,
}

impl Losses {
    /// The connection was lost while the message at or behind `next_seq` was to come. True when that
    /// can be no accident any more.
    pub(super) fn book(&mut self, next_seq: u64) -> bool {
        self.count = if self.at == next_seq { self.count + 1 } else { 1 };
        self.at = next_seq;
        self.count >= STRIKES
    }

    /// True when the next message is to be asked for alone, so that its sequence is known.
    pub(super) fn is_suspect(&self, next_seq: u64) -> bool {
        self.count > 0 && self.at == next_seq
    }
}

/// The messages that were blamed, by stream.
#[derive(Debug, Default)]
pub(crate) struct Blamed {
    streams: Mutex<HashMap<String, (u64, Instant)>>,
}

impl Blamed {
    pub(super) fn blame(&self, stream: &str, sequence: u64, now: Instant) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.insert(stream.to_owned(), (sequence, now + LEFT_ALONE));
    }

    /// The message of the stream that is left alone at this time.
    pub(super) fn left_alone(&self, stream: &str, now: Instant) -> Option<u64> {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.get(stream).filter(|(_, until)| now < *until).map(|(sequence, _)| *sequence)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Blamed, LEFT_ALONE, Losses};

    #[test]
    fn only_a_message_that_breaks_the_connection_again_and_again_is_blamed() {
        let mut losses = Losses::default();
        assert!(!losses.is_suspect(7));
        assert!(!losses.book(7) && !losses.book(7) && losses.is_suspect(7));
        assert!(!losses.book(9), "the one before came after all");
        assert!(!losses.book(9) && losses.book(9));
    }

    #[test]
    fn it_is_left_alone_for_a_while() {
        let (blamed, now) = (Blamed::default(), Instant::now());
        blamed.blame("S", 9, now);
        assert_eq!(blamed.left_alone("S", now), Some(9));
        assert_eq!(blamed.left_alone("T", now), None);
        assert_eq!(blamed.left_alone("S", now + LEFT_ALONE + Duration::from_secs(1)), None);
    }
}
