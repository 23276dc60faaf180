//! What an application writes.

use serde::de::DeserializeOwned;

use crate::event::Event;
use crate::failure::Failure;
use crate::tx::{ManyTx, Tx};

/// Of a batch: whose transaction an event is in. A call with one event has always one of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transactions {
    /// One for each event, several at a time: for effects that lock or wait.
    #[default]
    Each,
    /// One for all events of the batch that chose it: one commit for many small effects. When anything in it fails it
    /// is rolled back, and its events are handled again one by one.
    Together,
}

/// Handles one event at a time. Write `async fn handle`.
pub trait Handle: Send + Sync + 'static {
    /// What the payload is read as; one that cannot be is a dead letter (422).
    type Payload: DeserializeOwned + Send + Sync + 'static;

    /// What it does through `tx` happens exactly once. Effects elsewhere (a mail, another service) happen at least
    /// once: key them by `event.message_id`.
    fn handle(
        &self,
        tx: &mut Tx<'_>,
        event: &Event<Self::Payload>,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Overrides [`Handlers::transactions`](crate::Handlers::transactions).
    fn transactions(&self) -> Option<Transactions> {
        None
    }
}

/// Asks other services before the transaction, while no connection is held, and handles the event with what they say.
pub trait AskAndHandle: Send + Sync + 'static {
    /// As in [`Handle`].
    type Payload: DeserializeOwned + Send + Sync + 'static;
    /// What was asked for.
    type Asked: Send + Sync + 'static;

    /// Runs only when the event is to be handled. It may run again for the same event, so it may change nothing.
    fn ask(&self, event: &Event<Self::Payload>) -> impl Future<Output = Result<Self::Asked, Failure>> + Send;

    /// As in [`Handle`], with what `ask` returned.
    fn handle(
        &self,
        tx: &mut Tx<'_>,
        event: &Event<Self::Payload>,
        asked: &Self::Asked,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// As in [`Handle`].
    fn transactions(&self) -> Option<Transactions> {
        None
    }
}

/// Handles all events of its type in a batch at once, for SQL over sets.
///
/// Its transaction is [`Transactions::Together`]; when anything fails in that, it is called again with one event at a
/// time. A call with one event makes a slice of one.
pub trait HandleMany: Send + Sync + 'static {
    /// As in [`Handle`].
    type Payload: DeserializeOwned + Send + Sync + 'static;

    /// As in [`Handle`]; there is at least one event, and never two of one aggregate.
    fn handle_many(
        &self,
        tx: &mut ManyTx<'_>,
        events: &[&Event<Self::Payload>],
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}
