use sea_mq_local::Context;
use sea_mq_stream::Broker;
use sqlx::PgPool;
use uuid::Uuid;

/// The totals of one direction, each read from where it is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Rows of the producing outbox.
    pub(crate) committed: i64,
    /// Those of them marked published.
    pub(crate) published: i64,
    /// Those of them that break their contract and wait for a person.
    pub(crate) parked: i64,
    /// Messages in the event stream.
    pub(crate) stored: i64,
    /// Rows of the consuming inbox.
    pub(crate) recorded: i64,
    /// Those of them that are processed.
    pub(crate) processed: i64,
    /// Those of them that needed more than one attempt.
    pub(crate) tried_again: i64,
    /// Those of them that are dead-lettered.
    pub(crate) dead: i64,
    /// Dead-lettered because the handler answered 422.
    pub(crate) poison: i64,
    /// Dead-lettered, and never committed anywhere: they came without an id.
    pub(crate) strangers: i64,
    /// Messages in the consuming context's dead-letter stream.
    pub(crate) letters: i64,
}

/// A committed event that was neither processed, nor dead-lettered, nor parked.
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
}

impl Flow<'_> {
    /// `vibespro → sea`.
    pub(crate) fn title(&self) -> String {
        format!("{} → {}", self.from.name, self.to.name)
    }

    /// The durable consumer.
    pub(crate) fn consumer(&self) -> String {
        self.to.durable_from(&self.from.name)
    }

    /// Reads the totals along the event's way, so that what is read later can only be further.
    pub(crate) async fn totals(&self, broker: &Broker) -> anyhow::Result<Totals> {
        let (committed, published, parked) = outbox(&self.from.observer).await?;
        let stored = broker.stream_info(&self.from.name.event_stream()).await?.messages();
        let [recorded, processed, tried_again, dead, poison, strangers] =
            inbox(&self.to.observer, &self.consumer()).await?;
        let letters = broker.stream_info(&self.to.name.dead_letter_stream()).await?.messages();
        Ok(Totals {
            committed,
            published,
            parked,
            stored: i64::try_from(stored)?,
            recorded,
            processed,
            tried_again,
            dead,
            poison,
            strangers,
            letters: i64::try_from(letters)?,
        })
    }

    /// The committed events that are not finished, at most `limit`.
    pub(crate) async fn missing(&self, limit: usize) -> anyhow::Result<Vec<Missing>> {
        let committed: Vec<(Uuid, String, String)> = sqlx::query_as(
            "SELECT id, subject, state FROM outbox_events WHERE state <> 'parked' ORDER BY seq",
        )
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

async fn outbox(pool: &PgPool) -> Result<(i64, i64, i64), sqlx::Error> {
    sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE state = 'published'), count(*) FILTER (WHERE state = 'parked')
         FROM outbox_events",
    )
    .fetch_one(pool)
    .await
}

/// Recorded, processed, of these tried again, dead, of these poison and without an id.
async fn inbox(pool: &PgPool, consumer: &str) -> Result<[i64; 6], sqlx::Error> {
    let (recorded, processed, tried_again, dead, poison, strangers) = sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE state = 'processed'),
                count(*) FILTER (WHERE state = 'processed' AND attempts > 1),
                count(*) FILTER (WHERE state = 'dead'),
                count(*) FILTER (WHERE state = 'dead' AND dead_reason = 'poison'),
                count(*) FILTER (WHERE state = 'dead' AND dead_reason = 'missing_message_id')
         FROM inbox_messages WHERE consumer = $1",
    )
    .bind(consumer)
    .fetch_one(pool)
    .await?;
    Ok([recorded, processed, tried_again, dead, poison, strangers])
}
