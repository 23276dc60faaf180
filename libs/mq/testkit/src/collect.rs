//! Reads a history from real databases and streams.

mod rows;
mod streams;

use sqlx::PgPool;

use crate::history::{History, Subscription};
use crate::{CommittedEvent, DeadLetter, Effect, InboxEntry, StreamedEvent, TestkitError};

/// One context, as the collector reaches it.
#[derive(Clone, Debug)]
pub struct Source {
    /// The context's name.
    pub context: String,
    /// A pool in its database that may read everything.
    pub database: PgPool,
    /// Its event stream.
    pub event_stream: String,
    /// Its dead-letter stream.
    pub letter_stream: String,
}

/// Reads all that the checker judges by. The effects are read from the table `effects` of the test
/// handler; what was settled without one is for the caller to add.
///
/// # Errors
/// A database or the broker did not answer.
pub async fn collect(
    jetstream: &async_nats::jetstream::Context,
    sources: &[Source],
    subscriptions: Vec<Subscription>,
) -> Result<History, TestkitError> {
    let mut history = History { subscriptions, ..History::default() };
    for source in sources {
        history.committed.extend(rows::committed(source).await?);
        history.inbox.extend(rows::inbox(source).await?);
        history.effects.extend(rows::effects(source).await?);
        history.streamed.extend(streams::events(jetstream, &source.event_stream).await?);
        history.letters.extend(streams::letters(jetstream, &source.letter_stream).await?);
    }
    Ok(history)
}

type Committed = Result<Vec<CommittedEvent>, TestkitError>;
type Inbox = Result<Vec<InboxEntry>, TestkitError>;
type Effects = Result<Vec<Effect>, TestkitError>;
type Streamed = Result<Vec<StreamedEvent>, TestkitError>;
type Letters = Result<Vec<DeadLetter>, TestkitError>;
