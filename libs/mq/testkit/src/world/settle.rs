use std::time::Duration;

use sea_mq_stream::StreamError;

use super::{World, lock};
use crate::checker::{Totals, check};
use crate::collect::{Source, collect};
use crate::history::{History, Subscription};
use crate::{TestkitError, Verdict};

/// Until everything has come to rest after the last fault.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);

impl World {
    /// Waits until nothing is under way any more: every due row published (or parked), every stored
    /// message recorded, every recorded one processed or dead.
    ///
    /// # Errors
    /// [`TestkitError::TimedOut`].
    pub async fn settle(&self) -> Result<(), TestkitError> {
        self.wait_until("everything is settled", SETTLE_LIMIT, async || self.is_settled().await).await
    }

    async fn is_settled(&self) -> Result<bool, TestkitError> {
        for context in self.contexts.values() {
            let unpublished = context
                .count("SELECT count(*) FROM outbox_events WHERE state IN ('ready', 'scheduled')")
                .await?;
            if unpublished > 0 {
                return Ok(false);
            }
        }
        for (known_as, topology) in &self.topologies {
            for subscription in &topology.subscriptions {
                if !self.is_recorded(known_as, &subscription.stream, &subscription.durable).await? {
                    return Ok(false);
                }
            }
            let open = self
                .context(known_as)?
                .count("SELECT count(*) FROM inbox_messages WHERE state NOT IN ('processed', 'dead')")
                .await?;
            if open > 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether all that the stream holds is in the consumer's inbox.
    async fn is_recorded(&self, context: &str, stream: &str, durable: &str) -> Result<bool, TestkitError> {
        let facts = match self.broker.stream_info(stream).await {
            Ok(facts) => facts,
            Err(StreamError::StreamMissing { .. }) => return Ok(true),
            Err(error) => return Err(error.into()),
        };
        // The database keeps microseconds of the incarnation's time.
        let recorded: Option<i64> = sqlx::query_scalar(
            "SELECT recorded_seq FROM inbox_streams
             WHERE consumer = $1 AND stream = $2 AND stream_created_at BETWEEN $3::timestamptz - interval '1 us' AND $3",
        )
        .bind(durable)
        .bind(stream)
        .bind(facts.created)
        .fetch_optional(&self.context(context)?.admin)
        .await?;
        Ok(facts.messages() == 0 || u64::try_from(recorded.unwrap_or(0)).unwrap_or(0) >= facts.last_seq())
    }

    /// Everything that is known of this world's run.
    ///
    /// # Errors
    /// A server did not answer.
    pub async fn history(&self) -> Result<History, TestkitError> {
        let sources: Vec<Source> = self.contexts.values().map(super::TestContext::source).collect();
        let mut history = collect(&self.jetstream, &sources, self.subscriptions()).await?;
        for (_, handler) in lock(&self.handlers).iter() {
            history.effectless.extend(handler.effectless());
        }
        Ok(history)
    }

    /// Judges the run as it stands.
    ///
    /// # Errors
    /// A server did not answer.
    pub async fn verdict(&self) -> Result<Verdict, TestkitError> {
        Ok(check(&self.history().await?))
    }

    /// Waits until all is settled, and judges: every promise must have been kept.
    ///
    /// # Errors
    /// [`TestkitError::TimedOut`], or [`TestkitError::Broken`] with every broken promise.
    pub async fn check(&self) -> Result<Totals, TestkitError> {
        self.settle().await?;
        self.verdict().await?.clean()
    }

    fn subscriptions(&self) -> Vec<Subscription> {
        let of_context = |(known_as, topology): (&&'static str, &sea_mq_stream::ContextTopology)| {
            let guarantee = self.guarantee(known_as);
            topology
                .subscriptions
                .iter()
                .map(|subscription| Subscription {
                    consumer: subscription.durable.clone(),
                    stream: subscription.stream.clone(),
                    filter: subscription.filter.clone(),
                    guarantee,
                })
                .collect::<Vec<_>>()
        };
        self.topologies.iter().flat_map(of_context).collect()
    }
}
