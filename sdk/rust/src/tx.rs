//! What a handler acts in.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::emit::{Cause, Emit};
use crate::event::Event;

/// The open transaction of one event: it commits with the event's mark in the inbox, or not at all.
#[derive(Debug)]
pub struct Tx<'t> {
    connection: &'t mut PgConnection,
    cause: Cause<'t>,
}

impl<'t> Tx<'t> {
    pub(crate) fn new(connection: &'t mut PgConnection, cause: Cause<'t>) -> Self {
        Self { connection, cause }
    }

    /// The connection that is in the transaction. No statement BEGIN, COMMIT or ROLLBACK; sqlx's own `begin` on it is
    /// a savepoint, and fine.
    pub fn connection(&mut self) -> &mut PgConnection {
        self.connection
    }

    /// Puts an event into the outbox, caused by the handled one: correlation and trace go on. Returns its id.
    ///
    /// # Errors
    /// As [`Emit::send`].
    pub async fn emit(&mut self, event: Emit) -> sqlx::Result<Uuid> {
        event.caused_by(self.cause).send(self.connection).await
    }
}

/// The open transaction of several events.
#[derive(Debug)]
pub struct ManyTx<'t> {
    connection: &'t mut PgConnection,
}

impl<'t> ManyTx<'t> {
    pub(crate) fn new(connection: &'t mut PgConnection) -> Self {
        Self { connection }
    }

    /// As [`Tx::connection`].
    pub fn connection(&mut self) -> &mut PgConnection {
        self.connection
    }

    /// Puts an event into the outbox, caused by `cause`. Returns its id.
    ///
    /// # Errors
    /// As [`Emit::send`].
    pub async fn emit<P: Sync>(&mut self, cause: &Event<P>, event: Emit) -> sqlx::Result<Uuid> {
        event.caused_by(Cause::of(cause)).send(self.connection).await
    }
}
