use sea_mq_stream::Broker;
use sqlx::PgPool;
use uuid::Uuid;

use crate::context::Context;
use crate::servers::durable;

/// The totals of one direction, each read from where it is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Rows of the producing outbox.
    pub(crate) committed: i64,
    /// Those of them marked published.
    pub(crate) published: i64,
    /// Messages in the event stream.
    pub(crate) stored: i64,
    /// Rows of the consuming inbox.
    pub(crate) recorded: i64,
    /// Those of them that are processed.
    pub(crate) processed: i64,
    /// Those of them that are dead-lettered.
    pub(crate) dead: i64,
    /// Dead-lettered because the handler answered 422.
    pub(crate) poison: i64,
    /// Dead-lettered because all attempts failed.
    pub(crate) used_up: i64,
    /// Dead-lettered, and never committed anywhere: they came without an id.
    pub(crate) strangers: i64,
    /// Messages in the consuming context's dead-letter stream.
    pub(crate) letters: i64,
    /// Lines in the application's own history.
    pub(crate) effects: i64,
    /// Events that these lines are about.
    pub(crate) effected_events: i64,
    /// Lines whose revision is not above the one before of the same vibe.
    pub(crate) out_of_order: i64,
}

/// A committed event that was neither processed nor dead-lettered.
#[derive(Clone, Debug)]
pub(crate) struct Missing {
    id: Uuid,
    subject: String,
    outbox_state: String,
    inbox_state: Option<String>,
    last_error: Option<String>,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let inbox = self.inbox_state.as_deref().unwrap_or("not recorded");
        write!(f, "{} {}: outbox {}, inbox {inbox}", self.id, self.subject, self.outbox_state)?;
        self.last_error.as_deref().map_or(Ok(()), |error| write!(f, ", last error: {error}"))
    }
}

/// One direction of the flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow<'a> {
    /// Who publishes.
    pub(crate) from: &'a Context,
    /// Who consumes.
    pub(crate) to: &'a Context,
    /// The consuming application's history table.
    pub(crate) history: &'static str,
}

impl Flow<'_> {
    /// `vibespro → sea`.
    pub(crate) fn title(&self) -> String {
        format!("{} → {}", self.from.name, self.to.name)
    }

    /// The durable consumer.
    pub(crate) fn consumer(&self) -> String {
        durable(self.to, self.from)
    }

    /// Reads the totals along the event's way, so that what is read later can only be further.
    pub(crate) async fn totals(&self, broker: &Broker) -> anyhow::Result<Totals> {
        let (committed, published) = outbox(&self.from.observer).await?;
        let stored = broker.stream_info(&self.from.name.event_stream()).await?.messages();
        let (recorded, processed, dead, [poison, used_up, strangers]) =
            inbox(&self.to.observer, &self.consumer()).await?;
        let letters = broker.stream_info(&self.to.name.dead_letter_stream()).await?.messages();
        let (effects, effected_events, out_of_order) = history(&self.to.observer, self.history).await?;
        Ok(Totals {
            committed,
            published,
            stored: i64::try_from(stored)?,
            recorded,
            processed,
            dead,
            poison,
            used_up,
            strangers,
            letters: i64::try_from(letters)?,
            effects,
            effected_events,
            out_of_order,
        })
    }

    /// The committed events that are not finished, at most `limit`.
    pub(crate) async fn missing(&self, limit: usize) -> anyhow::Result<Vec<Missing>> {
        let committed: Vec<(Uuid, String, String)> =
            sqlx::query_as("SELECT id, subject, state FROM outbox_events ORDER BY seq")
                .fetch_all(&self.from.observer)
                .await?;
        let recorded: Vec<(Uuid, String, Option<String>)> =
            sqlx::query_as("SELECT message_id, state, last_error FROM inbox_messages WHERE consumer = $1")
                .bind(self.consumer())
                .fetch_all(&self.to.observer)
                .await?;
        let missing = committed.into_iter().filter_map(|(id, subject, outbox_state)| {
            let row = recorded.iter().find(|(recorded, ..)| *recorded == id);
            let state = row.map(|(_, state, _)| state.clone());
            let finished = matches!(state.as_deref(), Some("processed" | "dead"));
            let last_error = row.and_then(|(.., error)| error.clone());
            (!finished).then_some(Missing { id, subject, outbox_state, inbox_state: state, last_error })
        });
        Ok(missing.take(limit).collect())
    }
}

async fn outbox(pool: &PgPool) -> Result<(i64, i64), sqlx::Error> {
    sqlx::query_as("SELECT count(*), count(*) FILTER (WHERE state = 'published') FROM outbox_events")
        .fetch_one(pool)
        .await
}

/// Recorded, processed, dead, and the dead by reason: poison, attempts used up, without an id.
async fn inbox(pool: &PgPool, consumer: &str) -> Result<(i64, i64, i64, [i64; 3]), sqlx::Error> {
    let (recorded, processed, dead, poison, used_up, strangers) = sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE state = 'processed'), count(*) FILTER (WHERE state = 'dead'),
                count(*) FILTER (WHERE state = 'dead' AND dead_reason = 'poison'),
                count(*) FILTER (WHERE state = 'dead' AND dead_reason = 'max_deliver'),
                count(*) FILTER (WHERE state = 'dead' AND dead_reason = 'missing_message_id')
         FROM inbox_messages WHERE consumer = $1",
    )
    .bind(consumer)
    .fetch_one(pool)
    .await?;
    Ok((recorded, processed, dead, [poison, used_up, strangers]))
}

async fn history(pool: &PgPool, table: &'static str) -> Result<(i64, i64, i64), sqlx::Error> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "SELECT count(*), count(DISTINCT message_id), count(*) FILTER (WHERE revision <= before)
         FROM (SELECT message_id, revision, lag(revision) OVER (PARTITION BY vibe_id ORDER BY id) AS before
               FROM {table}) lines"
    )))
    .fetch_one(pool)
    .await
}
