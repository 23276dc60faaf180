use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{TestContext, World};
use crate::TestkitError;

/// An event to commit, as an application does it.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its id.
    pub id: Uuid,
    /// Its name, without version.
    pub name: String,
    /// Aggregate kind and identity.
    pub aggregate: Option<(String, String)>,
    /// Its payload.
    pub payload: serde_json::Value,
    /// Its chain.
    pub correlation_id: Option<Uuid>,
    /// Its cause.
    pub causation_id: Option<Uuid>,
    /// Not to be published before.
    pub publish_after: Option<OffsetDateTime>,
}

impl Event {
    /// An unordered event with an empty payload.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            id: Uuid::new_v4(),
            name: name.to_owned(),
            aggregate: None,
            payload: serde_json::json!({}),
            correlation_id: None,
            causation_id: None,
            publish_after: None,
        }
    }

    /// Of this aggregate, of the kind `vibe`.
    #[must_use]
    pub fn of(mut self, aggregate: impl Into<String>) -> Self {
        self.aggregate = Some(("vibe".to_owned(), aggregate.into()));
        self
    }

    /// With this payload.
    #[must_use]
    pub fn payload(mut self, payload: serde_json::Value) -> Self {
        self.payload = payload;
        self
    }

    /// Not to be published before `time`.
    #[must_use]
    pub fn after(mut self, time: OffsetDateTime) -> Self {
        self.publish_after = Some(time);
        self
    }

    /// Caused by another.
    #[must_use]
    pub fn caused_by(mut self, cause: Uuid, correlation: Uuid) -> Self {
        self.causation_id = Some(cause);
        self.correlation_id = Some(correlation);
        self
    }
}

impl World {
    /// Commits one event with the state that it tells of, in one transaction of the application role.
    ///
    /// # Errors
    /// [`TestkitError::Sql`]: nothing was committed.
    pub async fn emit(&self, context: &str, event: Event) -> Result<Uuid, TestkitError> {
        let id = event.id;
        self.emit_all(context, std::slice::from_ref(&event)).await?;
        Ok(id)
    }

    /// Commits several events in one transaction, in order.
    ///
    /// # Errors
    /// [`TestkitError::Sql`]: nothing was committed.
    pub async fn emit_all(&self, context: &str, events: &[Event]) -> Result<(), TestkitError> {
        self.context(context)?.emit_all(events).await
    }

    /// Writes an event within the caller's transaction of the application role.
    ///
    /// # Errors
    /// [`TestkitError::Sql`].
    pub async fn emit_within(
        &self,
        connection: &mut PgConnection,
        context: &str,
        event: &Event,
    ) -> Result<(), TestkitError> {
        insert(connection, &self.context(context)?.subject(&event.name), event).await
    }

    /// Commits `count` small events of one name at once; aggregate `n % aggregates`, or none at 0.
    ///
    /// # Errors
    /// [`TestkitError::Sql`]: nothing was committed.
    pub async fn emit_many(
        &self,
        context: &str,
        name: &str,
        count: i64,
        aggregates: i64,
    ) -> Result<(), TestkitError> {
        let context = self.context(context)?;
        sqlx::query(
            "INSERT INTO outbox_events (id, subject, payload, aggregate_type, aggregate_id)
             SELECT gen_random_uuid(), $1, jsonb_build_object('n', n),
                    CASE WHEN $3 > 0 THEN 'vibe' END, CASE WHEN $3 > 0 THEN $4 || (n % nullif($3, 0))::text END
             FROM generate_series(1, $2) n ORDER BY n",
        )
        .bind(context.subject(name))
        .bind(count)
        .bind(aggregates)
        .bind(format!("{name}-"))
        .execute(&context.app)
        .await?;
        Ok(())
    }
}

impl TestContext {
    /// Commits several events in one transaction of the application role, in order.
    ///
    /// # Errors
    /// [`TestkitError::Sql`]: nothing was committed, but for a commit whose answer was lost.
    pub async fn emit_all(&self, events: &[Event]) -> Result<(), TestkitError> {
        let mut transaction = self.app.begin().await?;
        for event in events {
            insert(&mut transaction, &self.subject(&event.name), event).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// The row lock on the aggregate makes its writers take turns before they take a place in the outbox.
async fn insert(connection: &mut PgConnection, subject: &str, event: &Event) -> Result<(), TestkitError> {
    let (kind, id) = event.aggregate.clone().unzip();
    if event.aggregate.is_some() {
        sqlx::query(
            "INSERT INTO aggregates AS a (kind, id, version) VALUES ($1, $2, 1)
             ON CONFLICT (kind, id) DO UPDATE SET version = a.version + 1",
        )
        .bind(&kind)
        .bind(&id)
        .execute(&mut *connection)
        .await?;
    }
    sqlx::query("SELECT outbox_emit($1, $2, $3, $4, $5, $6, NULL, $7, NULL, $8)")
        .bind(subject)
        .bind(&event.payload)
        .bind(&kind)
        .bind(&id)
        .bind(event.correlation_id)
        .bind(event.causation_id)
        .bind(event.publish_after)
        .bind(event.id)
        .execute(connection)
        .await?;
    Ok(())
}
