use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Inbox, InboxError};

/// One incarnation of a subscribed stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incarnation {
    /// When the stream was created.
    pub created_at: OffsetDateTime,
    /// Everything up to here is recorded, without a gap.
    pub recorded_seq: i64,
}

impl Inbox {
    /// The incarnations of `stream` that this consumer has recorded from, newest first.
    ///
    /// # Errors
    /// [`InboxError::Database`].
    pub async fn incarnations(&self, stream: &str) -> Result<Vec<Incarnation>, InboxError> {
        let rows: Vec<(OffsetDateTime, i64)> = self
            .ask("read the recorded sequences", async |connection| {
                sqlx::query_as(
                    "SELECT stream_created_at, recorded_seq FROM inbox_streams
             WHERE consumer = $1 AND stream = $2 ORDER BY stream_created_at DESC",
                )
                .bind(&self.consumer)
                .bind(stream)
                .fetch_all(connection)
                .await
            })
            .await?;
        Ok(rows
            .into_iter()
            .map(|(created_at, recorded_seq)| Incarnation { created_at, recorded_seq })
            .collect())
    }

    /// Those of these messages that were never recorded for this consumer, in any order.
    ///
    /// # Errors
    /// [`InboxError::Database`].
    pub async fn unknown(&self, messages: &[Uuid]) -> Result<Vec<Uuid>, InboxError> {
        self.ask("look for messages", async |connection| {
            sqlx::query_scalar(
                "SELECT u.id FROM unnest($2::uuid[]) u (id)
                 WHERE NOT EXISTS (SELECT FROM inbox_messages m WHERE m.message_id = u.id AND m.consumer = $1)",
            )
            .bind(&self.consumer)
            .bind(messages)
            .fetch_all(connection)
            .await
        })
        .await
    }
}
