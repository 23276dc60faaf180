use sea_mq_database::{Unanswered, ask};
use sqlx::PgConnection;

use crate::{Inbox, InboxError};

impl Inbox {
    /// Runs an operation on a connection of the pool, bounded in time.
    ///
    /// `action` is what is being done, as a verb phrase.
    pub(crate) async fn ask<T>(
        &self,
        action: &'static str,
        operation: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, InboxError> {
        ask(&self.pool, operation).await.map_err(|why| match why {
            Unanswered::Failed(source) => InboxError::Database { action, source },
            Unanswered::NoAnswer { within } => InboxError::NoAnswer { action, within },
        })
    }
}
