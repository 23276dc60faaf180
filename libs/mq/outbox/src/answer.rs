use sea_mq_database::{Unanswered, ask};
use sqlx::PgConnection;

use crate::{Outbox, OutboxError};

impl Outbox {
    /// Runs an operation on a connection of the pool, bounded in time.
    ///
    /// `action` is what is being done, as a verb phrase.
    pub(crate) async fn ask<T>(
        &self,
        action: &'static str,
        operation: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, OutboxError> {
        ask(&self.pool, operation).await.map_err(|why| OutboxError::during(action, why))
    }
}

impl OutboxError {
    pub(crate) fn during(action: &'static str, why: Unanswered) -> Self {
        match why {
            Unanswered::Failed(source) => Self::Database { action, source },
            Unanswered::NoAnswer { within } => Self::NoAnswer { action, within },
        }
    }
}
